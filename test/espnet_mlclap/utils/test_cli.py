"""What commands do when nobody reads their output any more, and when a package is missing."""

import argparse
import subprocess
import sys

import pytest

from espnet_mlclap.utils.cli import run_command

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


def test_a_module_that_an_extra_brings_is_named_with_the_extra(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "matplotlib", None)

    def draw(_):
        import matplotlib.pyplot  # noqa: F401

    with pytest.raises(SystemExit) as end:
        run_command(argparse.ArgumentParser(prog="mlclap draw"), draw, [])
    assert end.value.code == 1
    assert capsys.readouterr().err == (
        "mlclap draw: error: this needs the Python package matplotlib, which is not installed. "
        "Install it: pip install 'espnet_mlclap[train]'.\n"
    )


def test_a_module_of_ours_that_is_missing_is_no_mistake_of_the_user(capsys):
    def broken(_):
        import espnet_mlclap.no_such_module  # noqa: F401

    with pytest.raises(ModuleNotFoundError):
        run_command(argparse.ArgumentParser(), broken, [])


def test_names_do_not_act_on_the_terminal():
    command = (
        "import logging; from espnet_mlclap.utils.errors import UserError; "
        "logging.warning('left out: %s', 'a\\x1b[2Jb'); print('caf\\udce9'); "
        "raise UserError('c\\x1b]0;d\\x07 e')"
    )
    program = PROGRAM.format(command=command)
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert run.returncode == 1
    assert r"WARNING: left out: a\x1b[2Jb" in run.stderr
    assert r"error: c\x1b]0;d\x07 e" in run.stderr
    assert "\x1b" not in run.stderr
    assert run.stdout == "caf\\udce9\n"
