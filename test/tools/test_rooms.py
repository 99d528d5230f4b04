"""The rooms of the package: none uses a room above it, and the command that says so finds what does."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def rooms(*arguments):
    command = [sys.executable, str(ROOT / "tools/rooms.py"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.fixture
def package(tmp_path):
    """Writes modules of a small package; `package("utils/a.py", "import os")`."""

    def write(name, text):
        path = tmp_path / "espnet_mlclap" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    write("models/towers.py", "from espnet_mlclap.utils.errors import A, B\n")
    write("utils/errors.py", "import json\n")
    return write


def test_no_room_of_this_package_uses_one_above_it():
    run = rooms()
    assert run.stderr == ""
    assert run.returncode == 0


def test_the_table_counts_imports(package, tmp_path):
    package("models/more.py", "import espnet_mlclap.utils.errors as e\n")
    run = rooms("--root", tmp_path)
    assert run.returncode == 0, run.stderr
    head, *rows = run.stdout.splitlines()
    cells = {row.split()[1]: row.split()[2:] for row in rows}
    number = {row.split()[1]: int(row.split()[0]) for row in rows}
    assert cells["models"][number["utils"] - 1] == "2"
    assert cells["models"][number["models"] - 1] == "-"
    assert cells["utils"][number["models"] - 1] == "."
    assert head.split() == [str(n) for n in range(1, len(rows) + 1)]


UPWARDS = {
    "from": "from espnet_mlclap.models.towers import A",
    "import": "import json, espnet_mlclap.models.towers",
    "package": "from espnet_mlclap import models",
    "public name": "from espnet_mlclap import MLCLAP",
    "relative": "from ..models import towers",
    "relative package": "from .. import models",
    "lazy": "def f():\n    from espnet_mlclap.models import towers",
    "by name": "CHOICES = {'a': 'espnet_mlclap.models.towers:Tower'}",
}


@pytest.mark.parametrize("code", UPWARDS.values(), ids=UPWARDS.keys())
def test_an_import_upwards_fails_with_file_and_line(package, tmp_path, code):
    package("utils/config.py", f'"""About models: espnet_mlclap.models is above."""\n{code}\n')
    run = rooms("--root", tmp_path)
    assert run.returncode == 1
    line = 3 if code.startswith("def") else 2
    used = "inference" if "MLCLAP" in code else "models"
    assert run.stderr == (
        f"espnet_mlclap/utils/config.py:{line}: utils uses {used}, a room above it\n"
    )


def test_a_room_without_a_place_is_named(package, tmp_path):
    package("attic/old.py", "")
    run = rooms("--root", tmp_path)
    assert run.returncode == 1
    assert "the room 'attic' has no place in ORDER" in run.stderr


def test_another_folder_is_no_package(tmp_path):
    run = rooms("--root", tmp_path)
    assert run.returncode == 1
    assert "is this the package?" in run.stderr
