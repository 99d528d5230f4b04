"""The table of hostile kinds counts each case once and shows what was right before."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SUITE = '''
"""Files"""

import os

import pytest


@pytest.mark.parametrize("value", range(4))
def test_numbers(value):
    """Numbers that are none: refused.

    More about it.
    """
    if value == 3:
        pytest.skip("not here")
    assert value != 1


@pytest.fixture
def broken():
    raise OSError


def test_set_up(broken):
    """What cannot be set up."""


def test_crash():
    """What ends the process."""
    import espnet_mlclap

    if not espnet_mlclap.RIGHT:
        os.kill(os.getpid(), 9)


def test_version():
    """What the package says."""
    import espnet_mlclap

    assert espnet_mlclap.RIGHT
'''
PROGRAM = """
import sys
from pathlib import Path
import hostile
hostile.ROOT, hostile.KINDS = Path(sys.argv[1]), Path(sys.argv[2])
sys.exit(hostile.run_cases(Path(sys.argv[3]), Path(sys.argv[4])))
"""


def counts(hostile, tmp_path, right):
    package = tmp_path / f"package_{right}"
    (package / "espnet_mlclap").mkdir(parents=True)
    (package / "espnet_mlclap/__init__.py").write_text(f"RIGHT = {right}\n")
    suite = tmp_path / "suite"
    suite.mkdir(exist_ok=True)
    (suite / "test_files.py").write_text(SUITE)
    out = tmp_path / f"outcomes_{right}"
    out.touch()
    command = [sys.executable, "-c", PROGRAM, *map(str, (tmp_path, suite, package, out))]
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'tools'}:{package}"}
    ends = [1] if right else [-9, 1]
    for end in ends:  # after a crash the rest is tried
        run = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert run.returncode == end, run.stdout + run.stderr
    return hostile.count(hostile.read_outcomes(out))


def test_kinds_and_cases_are_counted(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "tools")
    import hostile

    now, before = counts(hostile, tmp_path, True), counts(hostile, tmp_path, False)
    assert hostile.table(now, before) == [
        "| Part | Kind | tried | right before | right now |",
        "| --- | --- | ---: | ---: | ---: |",
        "| Files | Numbers that are none: refused | 3 | 2 | 2 |",
        "| Files | What cannot be set up | 1 | 0 | 0 |",
        "| Files | What ends the process | 1 | 0 | 1 |",
        "| Files | What the package says | 1 | 0 | 1 |",
        "| all | 4 kinds | 6 | 2 | 4 |",
        "",
        "Cases that were skipped: 1.",
    ]
