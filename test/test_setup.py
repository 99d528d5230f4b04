"""What setup.py installs: every module, and every file that modules read."""

import runpy
from pathlib import Path

import pytest
import setuptools

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "espnet_mlclap"


@pytest.fixture
def arguments(monkeypatch):
    """What setup.py hands to setuptools."""
    given = {}
    monkeypatch.setattr(setuptools, "setup", given.update)
    monkeypatch.chdir(ROOT)
    runpy.run_path(str(ROOT / "setup.py"))
    return given


def files():
    return (
        path for path in PACKAGE.rglob("*") if path.is_file() and "__pycache__" not in path.parts
    )


def test_every_module_is_in_a_package(arguments):
    folders = {path.parent.relative_to(ROOT) for path in files() if path.suffix == ".py"}
    assert {".".join(folder.parts) for folder in folders} == set(arguments["packages"])


def test_every_other_file_is_package_data(arguments):
    packed = {
        path
        for pattern in arguments["package_data"]["espnet_mlclap"]
        for path in PACKAGE.glob(pattern)
    }
    assert sorted(path for path in files() if path.suffix != ".py" and path not in packed) == []
