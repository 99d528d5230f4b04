"""What setup.py installs: every module, every file that modules read, and what each room imports."""

import ast
import importlib.metadata
import re
import runpy
import sys
from pathlib import Path

import pytest
import setuptools
import yaml
from packaging.requirements import Requirement

from espnet_mlclap.utils.extras import EXTRA_OF

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


# What a room may import beyond the plain installation. Rooms that are not here: nothing.
EXTRAS_OF_ROOM = {
    "corpora": {"corpora"},
    "checkpoints": {"sonar", "huggingface"},
    "models": {"sonar", "huggingface", "sentence_transformers"},
    "objectives": {"train"},
    "language_enhancement": {"sonar", "huggingface", "chat"},
    "iterators": {"train"},
    "train": {"train"},
    "reports": {"train"},
    "search": {"search"},
    "experiments": {"train"},
    "tasks": {"train"},
    "bin": {"train", "search"},
}
# Needed to set up and to run espnet, and imported by nothing here.
LOCK_ONLY = {"librosa", "uv"}
# Brought along for others, and imported by nothing here.
FOR_OTHERS = {"humanfriendly", "tensorboard", "typeguard"}
# Only the check of a checkout's environment imports it, and does without.
WITHOUT = {"packaging"}


def normal(name):
    return re.sub("[-_.]+", "-", name).lower()


def names(requirements):
    return {normal(Requirement(one).name) for one in requirements}


def locked():
    text = (ROOT / "tools/requirements.lock").read_text(encoding="utf-8")
    lines = [Requirement(line) for line in text.splitlines() if line and line[0] not in "# "]
    return {normal(one.name): next(iter(one.specifier)).version for one in lines}


def test_the_lock_is_made_from_what_setup_asks_for(arguments):
    lines = (ROOT / "tools/requirements.in").read_text(encoding="utf-8").splitlines()
    asked = names(line.split("#")[0] for line in lines if line.split("#")[0].strip())
    extras = arguments["extras_require"]
    everything = [*arguments["install_requires"], *extras["all"]]
    assert names(everything) == asked - LOCK_ONLY
    assert set(extras["all"]) == {one for extra in extras.values() for one in extra}
    for requirement in map(Requirement, everything):
        version = locked()[normal(requirement.name)]
        assert requirement.specifier.contains(version), requirement


def imports():
    """(room, module, file) of each import of something that is neither ours nor Python's."""
    for path in files():
        if path.suffix != ".py":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            modules = []
            if isinstance(node, ast.Import):
                modules = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and not node.level:
                modules = [node.module]
            for module in {module.partition(".")[0] for module in modules}:
                if module not in sys.stdlib_module_names and module != PACKAGE.name:
                    room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
                    yield room, module, str(path.relative_to(ROOT))


def test_what_a_room_imports_is_in_the_plain_installation_or_in_the_rooms_extras(arguments):
    distributions = importlib.metadata.packages_distributions()
    core, extras = names(arguments["install_requires"]), arguments["extras_require"]
    used = set()
    for room, module, file in imports():
        brought_by = {normal(name) for name in distributions[module]}
        used |= brought_by
        if module in WITHOUT:
            continue
        if module in EXTRA_OF:
            assert brought_by & names(extras[EXTRA_OF[module]]), (file, module)
            allowed = names(one for extra in EXTRAS_OF_ROOM.get(room, ()) for one in extras[extra])
        else:
            allowed = core
        assert brought_by & allowed, f"{file} imports {module}, which {room} may not rely on"
    assert core <= used, "installed, and imported by nothing"
    assert names(extras["all"]) - names(extras["test"]) - FOR_OTHERS <= used


def test_every_page_names_this_version_and_licence(arguments):
    import espnet_mlclap

    version = espnet_mlclap.__version__
    assert arguments["version"] == version
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert (str(citation["version"]), citation["license"]) == (version, arguments["license"])
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(r"^## \[(.+?)\]", changes, re.MULTILINE)[1] == version
    licence = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "Apache License" in licence.split("\n\n")[0]
