#!/usr/bin/env python3
"""Read the recordings that this recipe brings (stage 1): data directories of clips, captions and labels."""

import argparse
from pathlib import Path
from typing import Optional, Sequence

from espnet_mlclap.utils.cli import run_command


def get_parser() -> argparse.ArgumentParser:
    """Options of the command."""
    parser = argparse.ArgumentParser(prog="local/prepare_esc10.py", description=__doc__)
    parser.add_argument("--corpus", type=Path, default=Path("corpus"), help="folder of clips.tsv")
    parser.add_argument("--out_dir", type=Path, default=Path("data"), help="for the directories")
    return parser


def _prepare(options: argparse.Namespace) -> None:
    from esc10_corpus import prepare_esc10

    prepare_esc10(options.corpus, options.out_dir)


def main(arguments: Optional[Sequence[str]] = None) -> None:
    """Entry point."""
    run_command(get_parser(), _prepare, arguments)


if __name__ == "__main__":
    main()
