"""What all command-line entry points have in common: logging, mistakes of the user, Ctrl-C."""

import argparse
import contextlib
import io
import logging
import os
import select
import signal
import sys
from typing import Callable, Iterator, Optional, Sequence

from espnet_mlclap.utils.errors import UserError
from espnet_mlclap.utils.extras import missing_module
from espnet_mlclap.utils.resources import explain
from espnet_mlclap.utils.shown import shown_lines


def bool_option(value: str) -> bool:
    """Type of an ESPnet-style option that takes the words true or false."""
    words = {"true": True, "false": False}
    if value.lower() not in words:
        raise argparse.ArgumentTypeError(f"must be true or false, not {value!r}")
    return words[value.lower()]


class _Shown(logging.Formatter):
    """Messages in which nothing acts on the terminal, whatever names are in them."""

    def format(self, record: logging.LogRecord) -> str:
        return shown_lines(super().format(record))


def _is_ours_or_a_warning(record: logging.LogRecord) -> bool:
    # our messages go through the root logger; libraries have loggers of their own and say a lot
    return record.name == "root" or record.levelno >= logging.WARNING


def _output_has_no_reader() -> bool:
    """Has the program that reads our output (`| head`) ended?"""
    poll = select.poll()
    poll.register(sys.stdout.fileno(), 0)
    return any(event & select.POLLERR for _, event in poll.poll(0))


@contextlib.contextmanager
def one_line_errors(prog: str) -> Iterator[None]:
    """Print one line and exit with status 1 for what is no fault of the program.

    That is a `UserError`, a module that an extra would have brought, or what the machine has run out of.
    """
    try:
        yield
    except UserError as error:
        print(f"{prog}: error: {shown_lines(str(error))}", file=sys.stderr)
        sys.exit(1)
    except (ModuleNotFoundError, OSError, MemoryError, RuntimeError) as error:
        module = isinstance(error, ModuleNotFoundError)
        advice = missing_module(error) if module else explain(error)
        if advice is None:
            raise
        print(f"{prog}: error: {shown_lines(advice)}", file=sys.stderr)
        sys.exit(1)


def run_command(
    parser: argparse.ArgumentParser,
    command: Callable[[argparse.Namespace], None],
    arguments: Optional[Sequence[str]] = None,
) -> None:
    """Parse the command line and run `command`; mistakes of the user end in one line and exit status 1."""
    parser.formatter_class = argparse.ArgumentDefaultsHelpFormatter
    options = parser.parse_args(arguments)
    terminal = logging.StreamHandler(sys.stderr)
    terminal.setFormatter(_Shown("%(asctime)s %(levelname)s: %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[terminal])
    for handler in logging.getLogger().handlers:
        handler.addFilter(_is_ours_or_a_warning)
    if isinstance(sys.stdout, io.TextIOWrapper):  # names that are not UTF-8 may be printed
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        with one_line_errors(parser.prog):
            command(options)
        sys.stdout.flush()
    except BrokenPipeError:
        if not _output_has_no_reader():
            raise
        # what is left of the output goes nowhere at the end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(128 + signal.SIGPIPE)
    except KeyboardInterrupt:
        print(f"{parser.prog}: stopped; what was finished is kept", file=sys.stderr)
        sys.exit(130)
