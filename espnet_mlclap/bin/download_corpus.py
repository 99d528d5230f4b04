"""Fetch a public corpus into a folder; the same command continues where it was interrupted.

Examples:
    mlclap download_corpus clotho --out_dir /data/clotho
    mlclap download_corpus esc10 --out_dir /data/esc10
    mlclap download_corpus audiocaps --out_dir /data/audiocaps --parts test
    mlclap download_corpus wavcaps --out_dir /data/wavcaps --parts soundbible bbc
"""

import argparse
import sys
from typing import Optional, Sequence

from espnet_mlclap.corpora.registry import corpora, named_in
from espnet_mlclap.utils.cli import one_line_errors, run_command
from espnet_mlclap.utils.errors import UserError


def get_parser(names: Sequence[str] = corpora.names) -> argparse.ArgumentParser:
    """Options of this command, for corpora by name or dotted path."""
    parser = argparse.ArgumentParser(
        prog="mlclap download_corpus", description=(__doc__ or "").split("\n")[0]
    )
    choices = parser.add_subparsers(dest="corpus", metavar="CORPUS", required=True)
    for name in names:
        corpus = corpora.get(name)()
        parts = ", ".join(corpus.parts)
        options = choices.add_parser(name, help=f"parts: {parts}")
        options.add_argument("--out_dir", required=True, help="folder of the corpus")
        options.add_argument("--parts", nargs="+", help=f"of {parts}; default: all")
        corpus.add_download_options(options)
    return parser


def download(options: argparse.Namespace) -> None:
    """Fetch the parts.

    Raises:
        UserError: an unknown part, or what the corpus raises.
    """
    corpus = corpora.get(options.corpus)()
    unknown = sorted(set(options.parts or ()) - set(corpus.parts))
    if unknown:
        raise UserError(f"--parts {unknown[0]}: must be of {', '.join(corpus.parts)}.")
    options.parts = options.parts or list(corpus.parts)
    corpus.download(options)


def main(arguments: Optional[Sequence[str]] = None) -> None:
    """Entry point; `--help` lists the options."""
    words = sys.argv[1:] if arguments is None else arguments
    with one_line_errors("mlclap download_corpus"):  # a dotted path that leads nowhere
        parser = get_parser(named_in(words))
    run_command(parser, download, words)


if __name__ == "__main__":
    main()
