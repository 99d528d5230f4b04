"""`mlclap`: lists the commands without importing them, runs them, and guesses what was meant."""

import subprocess
import sys
from pathlib import Path

import pytest

import espnet_mlclap
from espnet_mlclap.__main__ import BIN, GROUPS, main, summary


def test_every_command_is_in_one_group():
    listed = [command for commands in GROUPS.values() for command in commands]
    assert sorted(listed) == sorted(p.stem for p in BIN.glob("*.py") if p.stem != "__init__")


def test_help_is_one_line_for_each_command(capsys):
    with pytest.raises(SystemExit) as end:
        main(["--help"])
    assert end.value.code == 0
    lines = capsys.readouterr().out.splitlines()
    for title, commands in GROUPS.items():
        start = lines.index(f"{title}:") + 1
        assert [line.split()[0] for line in lines[start : start + len(commands)]] == [*commands]
    assert "  score                 Score the embeddings of test sets (stage 7)" in lines
    assert all(len(summary(command)) > 10 for commands in GROUPS.values() for command in commands)


def test_no_command_is_imported_for_the_list_or_for_another():
    code = (
        "import sys; from espnet_mlclap.__main__ import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit: pass\n"
        "print(*sorted(m for m in sys.modules if m.startswith('espnet_mlclap.bin.')), 'numpy' in sys.modules)"
    )

    def loaded(*arguments):
        run = subprocess.run([sys.executable, "-c", code, *arguments], stdout=-1, text=True)
        return run.stdout.splitlines()[-1]

    assert loaded("--help") == "False"
    assert loaded("combine_data", "--help") == "espnet_mlclap.bin.combine_data False"


def test_a_command_gets_its_options_and_its_status_comes_back(tmp_path, capsys):
    with pytest.raises(SystemExit) as end:
        main(["score", "--inference_dir", str(tmp_path)])
    assert end.value.code == 1
    assert capsys.readouterr().err.startswith(f"mlclap score: error: {tmp_path}: no embeddings")


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("serch", " Did you mean search?"),
        ("zero-shot", " Did you mean zero_shot?"),
        ("xyz", ""),
    ],
)
def test_a_mistyped_command(word, hint, capsys):
    with pytest.raises(SystemExit) as end:
        main([word])
    assert end.value.code == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err == (
        f"mlclap: error: there is no command {word!r}; `mlclap --help` lists them all.{hint}\n"
    )


def test_version_and_nothing():
    command = [sys.executable, "-m", "espnet_mlclap"]
    root = Path(__file__).resolve().parents[2]
    version = subprocess.run([*command, "--version"], cwd=root, stdout=-1, text=True)
    assert (version.returncode, version.stdout) == (0, f"mlclap {espnet_mlclap.__version__}\n")
    nothing = subprocess.run(command, cwd=root, stdout=-1, text=True)
    assert nothing.returncode == 2
    assert nothing.stdout.startswith("usage: mlclap")
