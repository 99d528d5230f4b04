"""Read a public corpus (stage 1): the authors' caption files and the audio that is there.

Examples:
    mlclap prepare_corpus clotho --captions_dir clotho --audio_dir clotho
    mlclap prepare_corpus esc50 --captions_dir esc50/audio --audio_dir esc50/audio --test_fold 1
    mlclap prepare_corpus wavcaps --captions_dir wavcaps/json_files \\
        --audio_dir wavcaps/audio --exclude data/audiocaps_test --exclude data/clotho_evaluation
"""

import argparse
import sys
from typing import Optional, Sequence

from espnet_mlclap.corpora.registry import corpora, named_in
from espnet_mlclap.utils.cli import one_line_errors, run_command


def get_parser(names: Sequence[str] = corpora.names) -> argparse.ArgumentParser:
    """Options of this command, for corpora by name or dotted path."""
    parser = argparse.ArgumentParser(
        prog="mlclap prepare_corpus", description=(__doc__ or "").split("\n")[0]
    )
    choices = parser.add_subparsers(dest="corpus", metavar="CORPUS", required=True)
    for name in names:
        corpus = corpora.get(name)()
        options = choices.add_parser(name, help=f"reads {corpus.caption_files}")
        add = options.add_argument
        add("--captions_dir", required=True, help=f"folder of {corpus.caption_files}")
        add("--audio_dir", required=True, help="folder of the audio")
        add("--out_dir", default="data", help="folder for the data directories")
        corpus.add_prepare_options(options)
    return parser


def prepare(options: argparse.Namespace) -> None:
    """Write the sets."""
    corpora.get(options.corpus)().prepare(options)


def main(arguments: Optional[Sequence[str]] = None) -> None:
    """Entry point; `--help` lists the options."""
    words = sys.argv[1:] if arguments is None else arguments
    with one_line_errors("mlclap prepare_corpus"):  # a dotted path that leads nowhere
        parser = get_parser(named_in(words))
    run_command(parser, prepare, words)


if __name__ == "__main__":
    main()
