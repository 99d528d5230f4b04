"""The table of hostile kinds counts each case once and shows what was right before."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SUITE = '''
"""Files"""

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
sys.exit(hostile.count(Path(sys.argv[3]), Path(sys.argv[4])))
"""


def counts(tmp_path, right):
    package = tmp_path / f"package_{right}"
    (package / "espnet_mlclap").mkdir(parents=True)
    (package / "espnet_mlclap/__init__.py").write_text(f"RIGHT = {right}\n")
    suite = tmp_path / "suite"
    suite.mkdir(exist_ok=True)
    (suite / "test_files.py").write_text(SUITE)
    out = tmp_path / f"{right}.json"
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path), str(suite), str(package), str(out)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'tools'}:{package}"},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 1, run.stdout + run.stderr
    return json.loads(out.read_text())


def test_kinds_and_cases_are_counted(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "tools")
    import hostile

    now, before = counts(tmp_path, True), counts(tmp_path, False)
    assert hostile.table(now, before) == [
        "| Part | Kind | tried | right before | right now |",
        "| --- | --- | ---: | ---: | ---: |",
        "| Files | Numbers that are none: refused | 3 | 2 | 2 |",
        "| Files | What cannot be set up | 1 | 0 | 0 |",
        "| Files | What the package says | 1 | 0 | 1 |",
        "| all | 3 kinds | 5 | 2 | 3 |",
        "",
        "Cases that were skipped: 1.",
    ]
