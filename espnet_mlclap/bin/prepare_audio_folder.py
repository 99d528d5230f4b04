"""Read clips and captions in the Hugging Face AudioFolder layout (stage 1)."""

import argparse
from typing import Optional, Sequence

from espnet_mlclap.utils.cli import bool_option, run_command


def get_parser() -> argparse.ArgumentParser:
    """Options of this command."""
    parser = argparse.ArgumentParser(prog="mlclap prepare_audio_folder", description=__doc__)
    parser.add_argument("--corpus", required=True, help="folder with train/ and test/")
    parser.add_argument("--out_dir", default="data", help="folder for the data directories")
    parser.add_argument(
        "--valid_share",
        type=float,
        default=0.1,
        help="share of the training clips for validation, if there is no validation split",
    )
    parser.add_argument(
        "--skip_bad_audio", type=bool_option, default=False, help="accept missing audio files"
    )
    return parser


def prepare(options: argparse.Namespace) -> None:
    """Write the three sets."""
    from espnet_mlclap.corpora.audio_folder import prepare_audio_folder

    prepare_audio_folder(
        options.corpus,
        options.out_dir,
        valid_share=options.valid_share,
        skip_bad_audio=options.skip_bad_audio,
    )


def main(arguments: Optional[Sequence[str]] = None) -> None:
    """Entry point; `--help` lists the options."""
    run_command(get_parser(), prepare, arguments)


if __name__ == "__main__":
    main()
