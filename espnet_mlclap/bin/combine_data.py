"""Put several data directories together into one (a validation set of two corpora, say)."""

import argparse
from typing import Optional, Sequence

from espnet_mlclap.utils.cli import run_command


def get_parser() -> argparse.ArgumentParser:
    """Options of this command."""
    parser = argparse.ArgumentParser(prog="mlclap combine_data", description=__doc__)
    parser.add_argument("--data_dirs", nargs="+", required=True, help="directories to combine")
    parser.add_argument("--out_dir", required=True, help="the directory to write")
    return parser


def combine(options: argparse.Namespace) -> None:
    """Write the union.

    Raises:
        UserError: a clip or caption id is in two of the directories.
    """
    from espnet_mlclap.fileio.data_dir import DataDir

    whole = DataDir()
    for path in options.data_dirs:
        whole.add(DataDir.read(path), path)
    whole.write(options.out_dir, f"{' + '.join(options.data_dirs)}")


def main(arguments: Optional[Sequence[str]] = None) -> None:
    """Entry point; `--help` lists the options."""
    run_command(get_parser(), combine, arguments)


if __name__ == "__main__":
    main()
