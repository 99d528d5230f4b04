"""Check and count the data (stage 4): lengths, repetitions, languages, leakage into the test sets."""

import argparse
from pathlib import Path
from typing import Optional, Sequence

from espnet_mlclap.utils.cli import run_command


def get_parser() -> argparse.ArgumentParser:
    """Options of this command."""
    parser = argparse.ArgumentParser(prog="mlclap check_data", description=__doc__)
    for name, text in (
        ("train_data_dir", "formatted training set; may be given several times"),
        ("le_data_dir", "folder of translated training captions"),
        ("test_data_dir", "formatted validation or test set"),
    ):
        parser.add_argument(f"--{name}", action="append", default=[], help=text)
    parser.add_argument("--out_dir", required=True, help="for statistics.json and statistics.txt")
    return parser


def check_data(options: argparse.Namespace) -> None:
    """Read every set, which checks it, shards included, and write the statistics."""
    from espnet_mlclap.fileio.shards import FOLDER, check_shards, has_shards, read_manifest
    from espnet_mlclap.fileio.statistics import SetFacts, statistics, write_statistics

    for path in (*options.train_data_dir, *options.test_data_dir):
        if has_shards(path):
            check_shards(Path(path) / FOLDER, read_manifest(path), contents=True)
    train = [SetFacts(path) for path in options.train_data_dir]
    translations = [SetFacts(path, translations=True) for path in options.le_data_dir]
    test = [SetFacts(path) for path in options.test_data_dir]
    write_statistics(statistics(train, translations, test), options.out_dir)


def main(arguments: Optional[Sequence[str]] = None) -> None:
    """Entry point; `--help` lists the options."""
    run_command(get_parser(), check_data, arguments)


if __name__ == "__main__":
    main()
