"""Put data directories into tables that a training opens by memory map; what is up to date stays."""

import argparse
import logging
from typing import Optional, Sequence

from espnet_mlclap.utils.cli import run_command


def get_parser() -> argparse.ArgumentParser:
    """Options of this command."""
    parser = argparse.ArgumentParser(prog="mlclap make_tables", description=__doc__)
    parser.add_argument("data_dirs", nargs="+", help="formatted sets, folders of translations")
    return parser


def make_tables(options: argparse.Namespace) -> None:
    """Make what is missing or out of date."""
    from espnet_mlclap.fileio.set_table import make_set_table

    for path in options.data_dirs:
        made = make_set_table(path)
        logging.info("%s: tables %s", path, "made" if made else "are up to date")


def main(arguments: Optional[Sequence[str]] = None) -> None:
    """Entry point; `--help` lists the options."""
    run_command(get_parser(), make_tables, arguments)


if __name__ == "__main__":
    main()
