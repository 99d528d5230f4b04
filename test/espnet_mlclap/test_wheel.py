"""The wheel alone, outside the repository: with what `pip install espnet_mlclap` brings, and with all extras.

The wheel is built from a copy of the files and installed into empty environments. What pip would install with
it (the dependencies that its metadata names, theirs, and so on) is linked from the environment of the tests;
anything else cannot be imported there, so that a missing requirement fails here as it would for a user.
"""

import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from espnet_mlclap.__main__ import COMMANDS
from espnet_mlclap.fileio.data_dir import Caption, DataDir, caption_id

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, built from a copy so that nothing of an earlier build gets in."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
    shutil.copytree(ROOT / "espnet_mlclap", source / "espnet_mlclap", ignore=ignored)
    for name in ("setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    subprocess.run(
        [*pip, "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", str(folder), str(source)],
        check=True,
    )
    (path,) = folder.glob("*.whl")
    return path


def requirements(distribution, extra):
    """Names of what a distribution asks for here, without and with an extra."""
    for line in distribution.requires or ():
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
            yield requirement.name, requirement.extras


def link_dependencies(distribution, extra, folder):
    """Link into `folder` all that pip would install along with `distribution`."""
    folder.mkdir()
    to_do, done = [*requirements(distribution, extra)], set()
    while to_do:
        name, extras = to_do.pop()
        try:
            found = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue  # of a build of torch for GPUs, say; a module that is needed will be missed
        for one in ("", *extras):
            if (found.metadata["Name"], one) not in done:
                done.add((found.metadata["Name"], one))
                to_do += requirements(found, one)
        for top in {file.parts[0] for file in found.files or () if file.parts[0] != ".."}:
            link = folder / top
            if not link.exists() and top != "__pycache__":
                link.symlink_to(found.locate_file(top))


def environment_apart():
    """Environment variables by which nothing finds the repository, nor what was built in it earlier."""
    return {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}


class Environment:
    """A virtual environment with the wheel in it, and a folder to run in."""

    def __init__(self, folder, wheel, extra):
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
        self.bin = folder / "bin"
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
        pip += ["--python", str(self.bin / "python")]
        subprocess.run(
            [*pip, "install", "-q", "--no-deps", "--no-index", str(wheel)],
            env=environment_apart(),
            check=True,
        )
        (self.site,) = folder.glob("lib/python*/site-packages")
        (installed,) = importlib.metadata.distributions(name="espnet_mlclap", path=[str(self.site)])
        link_dependencies(installed, extra, folder / "dependencies")
        (self.site / "dependencies.pth").write_text(f"{folder / 'dependencies'}\n")
        self.cwd = folder / "elsewhere"
        self.cwd.mkdir()

    def run(self, program, *arguments):
        """Run a program of the environment."""
        return subprocess.run(
            [str(self.bin / program), *map(str, arguments)],
            cwd=self.cwd,
            env={**environment_apart(), "XDG_DATA_HOME": str(self.cwd / "data home")},
            capture_output=True,
            text=True,
        )

    def mlclap(self, *arguments):
        """Output of a command that must succeed."""
        run = self.run("mlclap", *arguments)
        assert run.returncode == 0, run.stderr
        return run.stdout


@pytest.fixture(scope="module")
def plain(wheel, tmp_path_factory):
    """What `pip install espnet_mlclap` gives."""
    return Environment(tmp_path_factory.mktemp("plain") / "venv", wheel, "")


@pytest.fixture(scope="module")
def full(wheel, tmp_path_factory):
    """What `pip install espnet_mlclap[all]` gives."""
    return Environment(tmp_path_factory.mktemp("full") / "venv", wheel, "all")


def test_the_package_is_the_installed_one(plain, full):
    code = "import espnet_mlclap as m; print(m.__file__, m.__version__)"
    for environment in (plain, full):
        file, version = environment.run("python", "-c", code).stdout.split()
        assert Path(file).is_relative_to(environment.site)
        assert environment.mlclap("--version") == f"mlclap {version}\n"
    assert list(plain.site.glob("espnet_mlclap-*.dist-info/**/LICENSE"))
    assert plain.run("python", "-c", "import espnet2").returncode == 1
    assert full.run("python", "-c", "import espnet2").returncode == 0


@pytest.mark.parametrize("command", sorted({*COMMANDS} - {"train"}))
def test_help_of_every_command(plain, command):
    assert f"usage: mlclap {command}" in plain.mlclap(command, "--help")


def test_training_is_an_extra(plain, full):
    run = plain.run("mlclap", "train", "--help")
    assert run.returncode == 1
    assert run.stderr.endswith("Install it: pip install 'espnet_mlclap[train]'.\n")
    assert "--train_data_dir" in full.mlclap("train", "--help")


def test_translation_with_given_text(plain, tmp_path):
    data, given = DataDir(), DataDir()
    for number, clip in enumerate(("c1", "c2")):
        data.wav_scp[clip] = f"{clip}.wav"
        data.durations[clip] = 1.0
        english, german = (("A dog barks", "Ein Hund bellt"), ("It rains", "Es regnet"))[number]
        data.captions[caption_id(clip, "eng_Latn", 1)] = Caption(english, clip, "eng_Latn")
        given.captions[caption_id(clip, "deu_Latn", 1)] = Caption(german, clip, "deu_Latn")
    data.write(tmp_path / "train")
    given.write(tmp_path / "given")
    plain.mlclap(
        *("translate", "--translator", "file", "--given_dir", tmp_path / "given"),
        *("--data_dir", tmp_path / "train", "--out_dir", tmp_path / "train_le"),
        *("--langs", "deu_Latn"),
    )
    text = (tmp_path / "train_le/text").read_text(encoding="utf-8").splitlines()
    assert [line.split(" ", 1)[1] for line in text] == ["Ein Hund bellt", "Es regnet"]


def test_embedding_and_scoring(plain, experiment, tones, tmp_path):
    plain.mlclap(
        *("embed", "--model_dir", experiment, "--data_dir", tones / "valid"),
        *("--out_dir", tmp_path / "best/valid"),
    )
    table = plain.mlclap("score", "--inference_dir", tmp_path / "best", "--bootstrap", 20)
    assert re.search(r"deu_Latn +[\d.]+", table)
    scores = json.loads((tmp_path / "best/scores.json").read_text())
    assert "valid" in json.dumps(scores)


def test_a_query_of_an_experiment_and_of_a_packed_model(plain, experiment, tones, tmp_path):
    packed = tmp_path / "model.zip"
    plain.mlclap("pack", "--experiment_dir", experiment, "--out", packed)
    recordings = tmp_path / "recordings"
    recordings.mkdir()
    for path in (tones / "audio").glob("valid*"):
        (recordings / path.name).symlink_to(path)
    for model in (experiment, packed):
        lines = plain.mlclap(
            *("search", "--model_dir", model, "--audio_dir", recordings, "--top", 2),
            *("--lang", "deu_Latn", "Ein Hund bellt"),
        ).splitlines()
        assert lines[0] == "Ein Hund bellt (deu_Latn)"
        assert re.fullmatch(rf" *-?[\d.]+  {recordings}/valid\d+\.flac", lines[1])
        assert len(lines) == 3
