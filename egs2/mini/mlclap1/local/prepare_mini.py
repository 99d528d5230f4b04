#!/usr/bin/env python3
"""Make the mini corpus: synthetic sounds and captions from a grammar (stage 1)."""

import argparse
from typing import Optional, Sequence

from espnet_mlclap.utils.cli import bool_option, run_command


def get_parser() -> argparse.ArgumentParser:
    """Options of the command."""
    parser = argparse.ArgumentParser(
        prog="local/prepare_mini.py",
        description="Make the mini corpus. It is SYNTHETIC: sound scenes synthesised with numpy and "
        "captions in eight languages from a grammar. The same seed gives the same bytes.",
    )
    parser.add_argument("--config", required=True, help="YAML with the sets, scenes and sounds")
    parser.add_argument("--out_dir", required=True, help="folder for the data directories")
    parser.add_argument("--audio_dir", required=True, help="folder for the WAV files")
    parser.add_argument("--seed", type=int, default=None, help="instead of the configuration's")
    parser.add_argument(
        "--scale", type=float, default=1.0, help="times as many clips; 0.05 for a quick trial"
    )
    parser.add_argument(
        "--reference_le",
        type=bool_option,
        default=False,
        help="also write <set>_reference: the training captions in the other languages as the "
        "grammar has them, to measure or replace translations",
    )
    return parser


def _prepare(options: argparse.Namespace) -> None:
    from dataclasses import replace

    from espnet_mlclap.utils.errors import UserError
    from mini_corpus.config import load_config
    from mini_corpus.corpus import prepare_mini

    config = load_config(options.config).scaled(options.scale)
    if options.seed is not None:
        if options.seed < 0:
            raise UserError(f"--seed {options.seed}: must be 0 or above.")
        config = replace(config, seed=options.seed)
    prepare_mini(options.out_dir, options.audio_dir, config, options.reference_le)


def main(arguments: Optional[Sequence[str]] = None) -> None:
    """Entry point."""
    run_command(get_parser(), _prepare, arguments)


if __name__ == "__main__":
    main()
