"""Check the environment against the lock file; print what is wrong and how to fix it."""

import argparse
import sys
from typing import Optional, Sequence

from espnet_mlclap.utils.cli import run_command
from espnet_mlclap.utils.device import check_gpus


def get_parser() -> argparse.ArgumentParser:
    """Options of this command."""
    parser = argparse.ArgumentParser(prog="mlclap check_environment", description=__doc__)
    parser.add_argument("--ngpu", type=int, default=0, help="GPUs that must be here")
    return parser


def check_environment(options: argparse.Namespace) -> None:
    """Print the problems and end with status 1, or print nothing."""
    from espnet_mlclap.utils.environment import find_problems

    problems = find_problems()
    if problems:
        print(f"The environment ({sys.prefix}) is not complete:", file=sys.stderr)
        for problem in problems:
            print(f"  {problem}", file=sys.stderr)
        print("Fix it with `make -C tools env`, which installs what is missing.", file=sys.stderr)
        sys.exit(1)
    check_gpus(options.ngpu, f"--ngpu {options.ngpu}", "--ngpu 0")


def main(arguments: Optional[Sequence[str]] = None) -> None:
    """Entry point; `--help` lists the options."""
    run_command(get_parser(), check_environment, arguments)


if __name__ == "__main__":
    main()
