"""The environment check: names what is missing or of another version, and nothing else."""

import importlib.metadata
import subprocess
import sys

import pytest

from espnet_mlclap.utils.environment import TOOLS, find_problems

REQUIREMENTS = "numpy\ntorch>=2\n\n# set-up, tests and checks\npytest\n"


@pytest.fixture
def lock(tmp_path):
    (tmp_path / "requirements.in").write_text(REQUIREMENTS)

    def write(*lines):
        path = tmp_path / "requirements.lock"
        path.write_text("# a comment\n" + "".join(f"{line}\n" for line in lines))
        return path

    return write


def test_other_versions_and_missing_packages_are_named(lock):
    numpy = importlib.metadata.version("numpy")
    problems = find_problems(
        lock(
            f"numpy=={numpy}",
            "torch==1.0",
            "no-such-package-a==1",
            "no-such-package-b==1",
            "pytest==0.1",  # for checks only
            "nvidia-no-such==1",  # a build for the CPU has none of these
            "no-such-package-c==1 ; python_full_version < '3.0'",
        )
    )
    assert problems == [
        f"torch {importlib.metadata.version('torch')} is installed, ==1.0 is needed",
        "2 packages that these need are missing: no-such-package-a, no-such-package-b",
    ]


def test_what_the_project_asks_for_itself_has_a_line_of_its_own(lock):
    path = lock("numpyyy==1", "torch==1")
    path.with_name("requirements.in").write_text("numpyyy\n")
    assert find_problems(path) == ["numpyyy is missing (==1)"]


def test_this_environment_is_that_of_the_lock():
    # in a process of its own: setuptools, once imported, shows what it brings along as installed
    code = "from espnet_mlclap.utils.environment import find_problems; print(find_problems())"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.stdout == "[]\n", run.stdout + run.stderr


def test_the_lock_covers_what_is_asked_for_and_names_no_index():
    text = (TOOLS / "requirements.lock").read_text()
    assert "://" not in text
    assert "index" not in text
    names = {line.split("==")[0] for line in text.splitlines() if "==" in line}
    for line in (TOOLS / "requirements.in").read_text().splitlines():
        line = line.partition("#")[0].partition(";")[0].strip()
        if line:
            name = line.replace("<", "=").replace(">", "=").split("=")[0].strip()
            assert name in names
