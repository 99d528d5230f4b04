"""Fetch AudioCaps, Clotho or WavCaps into a folder; the same command goes on where it was broken off.

Examples:
    mlclap download_corpus clotho --out_dir /data/clotho
    mlclap download_corpus audiocaps --out_dir /data/audiocaps --parts test
    mlclap download_corpus wavcaps --out_dir /data/wavcaps --parts soundbible bbc
"""

import argparse
import json
from typing import Any, Dict, Optional, Sequence

from espnet_mlclap.utils.cli import run_command
from espnet_mlclap.utils.errors import UserError

_PARTS = {
    "audiocaps": "train, val, test",
    "clotho": "development, validation, evaluation",
    "wavcaps": "audioset, bbc, freesound, soundbible",
}


def get_parser() -> argparse.ArgumentParser:
    """Options of this command."""
    parser = argparse.ArgumentParser(
        prog="mlclap download_corpus", description=(__doc__ or "").split("\n")[0]
    )
    corpora = parser.add_subparsers(dest="corpus", metavar="CORPUS", required=True)
    for name, parts in _PARTS.items():
        corpus = corpora.add_parser(name, help=f"parts: {parts}")
        corpus.add_argument("--out_dir", required=True, help="folder of the corpus")
        corpus.add_argument("--parts", nargs="+", help=f"of {parts}; default: all")
        if name == "audiocaps":
            corpus.add_argument(
                "--version", choices=("1", "2.0"), default="1", help="of the captions"
            )
            corpus.add_argument("--jobs", type=int, default=2, help="clips at a time")
            corpus.add_argument(
                "--yt_dlp",
                type=json_object,
                default={},
                help='further options of yt-dlp as JSON, such as \'{"cookiefile": "cookies.txt"}\'',
            )
    return parser


def json_object(text: str) -> Dict[str, Any]:
    value = json.loads(text)
    if not isinstance(value, dict):
        raise ValueError(text)
    return value


def download(options: argparse.Namespace) -> None:
    """Fetch the parts.

    Raises:
        UserError: an unknown part, or what the corpus' `download_<corpus>` raises.
    """
    known = _PARTS[options.corpus].split(", ")
    unknown = sorted(set(options.parts or ()) - set(known))
    if unknown:
        raise UserError(f"--parts {unknown[0]}: must be of {', '.join(known)}.")
    parts = options.parts or known
    if options.corpus == "clotho":
        from espnet_mlclap.corpora.clotho import download_clotho

        download_clotho(options.out_dir, splits=parts)
    elif options.corpus == "wavcaps":
        from espnet_mlclap.corpora.wavcaps import download_wavcaps

        download_wavcaps(options.out_dir, sources=parts)
    else:
        from espnet_mlclap.corpora.audiocaps import download_audiocaps

        if options.jobs < 1:
            raise UserError(f"--jobs {options.jobs}: must be 1 or more.")
        missing = download_audiocaps(
            options.out_dir,
            splits=parts,
            version=options.version,
            jobs=options.jobs,
            options=options.yt_dlp,
        )
        for split, reasons in missing.items():
            print(
                f"{split}: {len(reasons)} clips are missing: {options.out_dir}/{split}/missing.tsv"
            )


def main(arguments: Optional[Sequence[str]] = None) -> None:
    """Entry point; `--help` lists the options."""
    run_command(get_parser(), download, arguments)


if __name__ == "__main__":
    main()
