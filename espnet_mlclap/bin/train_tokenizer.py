"""Train a sentencepiece model on the captions of data directories (for text encoders from scratch)."""

import argparse
import logging
from typing import Optional, Sequence

from espnet_mlclap.utils.cli import run_command


def get_parser() -> argparse.ArgumentParser:
    """Options of this command."""
    parser = argparse.ArgumentParser(prog="mlclap train_tokenizer", description=__doc__)
    parser.add_argument("--data_dir", nargs="+", required=True, help="directories with captions")
    parser.add_argument("--out", required=True, help="model file to write")
    parser.add_argument("--vocab_size", type=int, default=2000, help="largest number of pieces")
    return parser


def train(options: argparse.Namespace) -> None:
    """Train and say how many pieces the model has."""
    from espnet_mlclap.fileio.data_dir import read_captions
    from espnet_mlclap.models.text_encoder.train_tokenizer import train_tokenizer

    captions = [
        caption.text for folder in options.data_dir for caption in read_captions(folder).values()
    ]
    pieces = train_tokenizer(captions, options.out, options.vocab_size)
    logging.info("%s: %d pieces from %d captions", options.out, pieces, len(captions))


def main(arguments: Optional[Sequence[str]] = None) -> None:
    """Entry point; `--help` lists the options."""
    run_command(get_parser(), train, arguments)


if __name__ == "__main__":
    main()
