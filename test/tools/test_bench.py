"""Benchmarks that need no model run, on something small; their figures are for people."""

import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).resolve().parents[2] / "tools/bench"


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (["plan.py", "--scale", "0.0005"], "next epoch"),
        (["embedding.py", "--tokens", "700", "--width", "8", "--runs", "1"], "by rows"),
    ],
)
def test_a_benchmark_runs(command, expected):
    script, *options = command
    done = subprocess.run(
        [sys.executable, str(BENCH / script), *options], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert expected in done.stdout
