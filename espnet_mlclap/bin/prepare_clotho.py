"""Read Clotho (stage 1): the authors' caption files and the audio that is there."""

import argparse
from typing import Optional, Sequence

from espnet_mlclap.utils.cli import run_command


def get_parser() -> argparse.ArgumentParser:
    """Options of this command."""
    parser = argparse.ArgumentParser(prog="espnet_mlclap.bin.prepare_clotho", description=__doc__)
    parser.add_argument(
        "--captions_dir", required=True, help="folder of clotho_captions_<split>.csv"
    )
    parser.add_argument("--audio_dir", required=True, help="folder of the audio, by split or not")
    parser.add_argument("--out_dir", default="data", help="folder for the data directories")
    parser.add_argument(
        "--test_captions",
        action="append",
        default=[],
        help="JSON file of given test captions; may be given several times",
    )
    return parser


def prepare(options: argparse.Namespace) -> None:
    """Write the sets."""
    from espnet_mlclap.corpora.clotho import prepare_clotho

    prepare_clotho(
        options.captions_dir,
        options.audio_dir,
        options.out_dir,
        test_captions=options.test_captions,
    )


def main(arguments: Optional[Sequence[str]] = None) -> None:
    """Entry point; `--help` lists the options."""
    run_command(get_parser(), prepare, arguments)


if __name__ == "__main__":
    main()
