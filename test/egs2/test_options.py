"""The engine's options: what stands in the script is what the parser takes, checks and explains."""

import re
import subprocess
from pathlib import Path

import pytest

EGS2 = Path(__file__).resolve().parents[2] / "egs2"
ENGINE = EGS2 / "TEMPLATE/mlclap1/mlclap.sh"
RECIPES = sorted(path.parent for path in EGS2.glob("*/mlclap1/run.sh"))


def run(*arguments, script=ENGINE):
    return subprocess.run(
        ["bash", script.name, *arguments], cwd=script.parent, capture_output=True, text=True
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--stge", "1"], "unknown option --stge. Did you mean --stage?"),
        (["--le_ration=0.2"], "unknown option --le_ration. Did you mean --le_ratio?"),
        (["--zzzz", "1"], "unknown option --zzzz."),
        (["--seed"], "--seed has no value."),
        (["--seed", "--stage", "3"], "--seed has no value."),
        (["--seed", "--", "--stage", "3"], "--seed has no value."),
        (["--stage", "0"], "--stage must be a whole number from 1 up to 9, not '0'."),
        (["--stage", "10"], "--stage must be a whole number from 1 up to 9, not '10'."),
        (["--stop_stage", "two"], "--stop_stage must be a whole number"),
        (["--nj", "0"], "--nj must be a whole number from 1 up, not '0'."),
        (["--le_ratio", "1.5"], "--le_ratio must be a number from 0 to 1, not '1.5'."),
        (["--audio_format", "mp3"], "--audio_format must be one of flac, flac.ark, log_mel.ark"),
        (["--skip_bad_audio", ""], "--skip_bad_audio must be one of true, false, not ''."),
        (["5"], "'5' is not an option"),
        (["--stage", "5", "--stop_stage", "4"], "--stage 5 is after --stop_stage 4."),
        (["--stage", "2"], "--train_sets must be given."),
    ],
)
def test_a_wrong_option_is_named(arguments, message):
    result = run(*arguments)
    assert result.returncode == 2
    assert message in result.stderr
    assert "--help" in result.stderr
    assert result.stdout == ""


def test_help_lists_every_declared_option_with_its_default():
    declared = re.findall(
        r"^([a-z]\w*)=(.*?)\s+# ",
        ENGINE.read_text().split("# --- options")[1].split("# --- end of options")[0],
        re.MULTILINE,
    )
    assert len(declared) > 25
    lines = {line.split()[0]: line for line in run("--help").stdout.splitlines() if "--" in line}
    for name, default in declared:
        line = lines[f"--{name}"]
        if default:
            default = default.strip('"')
            assert line.endswith(f"(default: {default})")


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.parent.name)
def test_help_of_a_recipe_shows_the_choices_of_the_recipe(recipe):
    result = run("--help", script=recipe / "run.sh")
    assert result.returncode == 0, result.stderr
    choices = re.findall(r'--(\w+) (?:"([^"]+)"|(\w\S*))', (recipe / "run.sh").read_text())
    chosen = {name: quoted or plain for name, quoted, plain in choices if name != "corpus"}
    chosen = {name: value for name, value in chosen.items() if "$" not in value}
    assert "train_sets" in chosen
    for name, value in chosen.items():
        assert re.search(rf"--{name} .*\(default: {re.escape(value)}\)", result.stdout), name


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.parent.name)
def test_a_recipe_holds_choices_and_takes_the_rest_from_the_template(recipe):
    for name in ("mlclap.sh", "path.sh", "scripts"):
        assert (recipe / name).resolve() == (EGS2 / "TEMPLATE/mlclap1" / name).resolve()
    assert (recipe / "local/data.sh").is_file()
    assert len((recipe / "run.sh").read_text().splitlines()) < 40


@pytest.mark.parametrize("option", ["--translator", "--test_translator"])
def test_a_class_of_ones_own_is_named_by_its_path(option):
    assert run(option, "my_package.module:Mine", "--", "--help").returncode == 0
    for value in ("my_package.module", "my package:Mine", ":Mine", "a:b:c", "sonnar"):
        result = run(option, value, "--stage", "9", "--stop_stage", "9")
        assert result.returncode == 2
        assert f"{option} must be one of" in result.stderr


def test_the_last_of_two_values_counts_and_both_spellings_work():
    result = run("--nj", "3", "--nj=5", "--", "--help")
    assert re.search(r"--nj .*\(default: 5\)", result.stdout)


def test_help_shows_what_holds_without_options_of_the_user():
    result = run("--nj", "3", "--", "--nj", "5", "--stage", "2", "--help")
    assert re.search(r"--nj .*\(default: 3\)", result.stdout)
    assert re.search(r"--stage .*\(default: 1\)", result.stdout)
