"""What commands do when nobody reads their output any more."""

import subprocess
import sys

import pytest

PROGRAM = """
import argparse
from espnet_mlclap.utils.cli import run_command

def command(options):
    {command}

run_command(argparse.ArgumentParser(), command, [])
"""


@pytest.mark.parametrize("count", [1, 100_000])  # found at the end, and while printing
def test_a_reader_that_has_enough_is_no_error(count):
    program = PROGRAM.format(command=f"for _ in range({count}): print('a line')")
    pipe = f'"{sys.executable}" -c "{program}" | true; exit "${{PIPESTATUS[0]}}"'
    run = subprocess.run(["bash", "-c", pipe], capture_output=True, text=True)
    assert run.stderr == ""
    assert run.returncode == 141  # as programs that the signal SIGPIPE ends


def test_other_broken_pipes_are_errors():
    program = PROGRAM.format(command="raise BrokenPipeError('to a worker')")
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert run.returncode == 1
    assert "BrokenPipeError: to a worker" in run.stderr
