"""Make long test recordings from a set of clips, in which `mlclap score_moments` looks for each caption.

Example:
    mlclap make_long_recordings --data_dir data/test --out_dir data/test_long --seed 1
"""

import argparse
from pathlib import Path
from typing import Optional, Sequence

from espnet_mlclap.corpora.long_recordings import LongSettings, make_long_recordings
from espnet_mlclap.fileio.data_dir import DataDir
from espnet_mlclap.utils.cli import run_command


def get_parser() -> argparse.ArgumentParser:
    """Options of this command."""
    parser = argparse.ArgumentParser(
        prog="mlclap make_long_recordings", description=(__doc__ or "").split("\n")[0]
    )
    add, usual = parser.add_argument, LongSettings()
    add("--data_dir", type=Path, required=True, help="clips and captions")
    add("--out_dir", type=Path, required=True, help="gets recordings, captions and segments")
    add("--recordings", type=int, default=usual.recordings, help="how many")
    add("--clips", type=int, nargs=2, default=usual.clips, help="in each, at least and at most")
    add("--gap", type=float, default=usual.gap, help="seconds between clips, at most")
    add("--overlap", type=float, default=usual.overlap, help="share of clips that overlap")
    add("--noise_db", type=float, default=usual.noise_db, help="noise beside a clip")
    add("--rate", type=int, default=usual.rate, help="Hz")
    add("--seed", type=int, default=usual.seed, help="of all draws")
    return parser


def make(options: argparse.Namespace) -> None:
    """Write the recordings and their data directory."""
    settings = LongSettings(
        options.recordings,
        tuple(options.clips),
        options.gap,
        options.overlap,
        options.noise_db,
        options.rate,
        options.seed,
    )
    made = make_long_recordings(DataDir.read(options.data_dir), options.out_dir, settings)
    minutes = sum(made.durations.values()) / 60
    print(f"{len(made.wav_scp)} recordings, {minutes:.0f} minutes, {len(made.captions)} captions")


def main(arguments: Optional[Sequence[str]] = None) -> None:
    """Entry point; `--help` lists the options."""
    run_command(get_parser(), make, arguments)


if __name__ == "__main__":
    main()
