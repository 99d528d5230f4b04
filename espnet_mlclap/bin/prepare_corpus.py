"""Read AudioCaps, Clotho or WavCaps (stage 1): the authors' caption files and the audio that is there.

Examples:
    mlclap prepare_corpus clotho --captions_dir clotho --audio_dir clotho
    mlclap prepare_corpus wavcaps --captions_dir wavcaps/json_files \\
        --audio_dir wavcaps/audio --exclude data/audiocaps_test --exclude data/clotho_evaluation
"""

import argparse
from typing import Optional, Sequence

from espnet_mlclap.utils.cli import run_command


def get_parser() -> argparse.ArgumentParser:
    """Options of this command."""
    parser = argparse.ArgumentParser(
        prog="mlclap prepare_corpus", description=(__doc__ or "").split("\n")[0]
    )
    corpora = parser.add_subparsers(dest="corpus", metavar="CORPUS", required=True)
    for name, captions in (
        ("audiocaps", "train.csv, val.csv and test.csv"),
        ("clotho", "clotho_captions_<split>.csv (and clotho_metadata_<split>.csv)"),
        ("wavcaps", "the sources' JSON files, json_files"),
    ):
        corpus = corpora.add_parser(name, help=f"reads {captions}")
        corpus.add_argument("--captions_dir", required=True, help=f"folder of {captions}")
        corpus.add_argument("--audio_dir", required=True, help="folder of the audio")
        corpus.add_argument("--out_dir", default="data", help="folder for the data directories")
        if name == "wavcaps":
            continue
        corpus.add_argument(
            "--test_captions",
            action="append",
            default=[],
            help="JSON file of given test captions; may be given several times",
        )
        corpus.add_argument(
            "--test_list", help="file of the test clips to take, one a line, in place of all"
        )
    corpus.add_argument(
        "--sources",
        nargs="+",
        help="of audioset, bbc, freesound, soundbible; default: those that have a folder of audio",
    )
    corpus.add_argument(
        "--blacklist",
        action="append",
        help="JSON file of clips to leave out, in place of the authors' list; may be given several "
        "times; 'none' for no list",
    )
    corpus.add_argument(
        "--exclude",
        action="append",
        default=[],
        help="data directory of a test or validation set whose videos and sounds are left out",
    )
    return parser


def prepare(options: argparse.Namespace) -> None:
    """Write the sets."""
    folders = (options.captions_dir, options.audio_dir, options.out_dir)
    if options.corpus == "wavcaps":
        from espnet_mlclap.corpora.wavcaps import SOURCES, prepare_wavcaps
        from espnet_mlclap.utils.errors import UserError

        unknown = sorted(set(options.sources or ()) - set(SOURCES))
        if unknown:
            raise UserError(f"--sources {unknown[0]}: must be of {', '.join(SOURCES)}.")
        blacklists = options.blacklist
        if blacklists is not None:
            blacklists = [path for path in blacklists if path != "none"]
        prepare_wavcaps(
            *folders,
            sources=options.sources,
            blacklists=blacklists,
            exclude=options.exclude,
        )
        return
    if options.corpus == "audiocaps":
        from espnet_mlclap.corpora.audiocaps import prepare_audiocaps as prepare_splits
    else:
        from espnet_mlclap.corpora.clotho import prepare_clotho as prepare_splits
    prepare_splits(*folders, test_captions=options.test_captions, test_list=options.test_list)


def main(arguments: Optional[Sequence[str]] = None) -> None:
    """Entry point; `--help` lists the options."""
    run_command(get_parser(), prepare, arguments)


if __name__ == "__main__":
    main()
