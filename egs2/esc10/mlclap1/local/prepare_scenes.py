#!/usr/bin/env python3
"""Make scenes of the recordings that this recipe brings (stage 1), with captions by a grammar."""

import argparse
from pathlib import Path
from typing import Optional, Sequence

from espnet_mlclap.utils.cli import run_command


def get_parser() -> argparse.ArgumentParser:
    """Options of the command."""
    parser = argparse.ArgumentParser(prog="local/prepare_scenes.py", description=__doc__)
    parser.add_argument("--corpus", type=Path, default=Path("corpus"), help="folder of clips.tsv")
    parser.add_argument("--config", type=Path, default=Path("conf/scenes.yaml"))
    parser.add_argument("--out_dir", type=Path, default=Path("data/scenes"), help="for the sets")
    parser.add_argument(
        "--audio_dir", type=Path, default=Path("downloads/scenes"), help="for the FLAC files"
    )
    return parser


def _prepare(options: argparse.Namespace) -> None:
    from scenes.corpus import load_config, prepare_scenes

    config = load_config(options.config)
    prepare_scenes(options.corpus, options.out_dir, options.audio_dir, config)


def main(arguments: Optional[Sequence[str]] = None) -> None:
    """Entry point."""
    run_command(get_parser(), _prepare, arguments)


if __name__ == "__main__":
    main()
