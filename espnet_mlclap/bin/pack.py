"""Pack an experiment into one file that another machine can use alone (stage 8)."""

import argparse
import sys
from pathlib import Path
from typing import Optional, Sequence

from espnet_mlclap.fileio.packed import SUFFIXES, write_packed
from espnet_mlclap.utils.atomic import is_left_over
from espnet_mlclap.utils.cli import run_command
from espnet_mlclap.utils.config import BEST_MODEL


def get_parser() -> argparse.ArgumentParser:
    """Options of this command."""
    parser = argparse.ArgumentParser(prog="mlclap pack", description=__doc__)
    parser.add_argument("--experiment_dir", required=True, help="folder of stage 5")
    parser.add_argument("--model_file", default=BEST_MODEL, help="checkpoint to pack")
    parser.add_argument("--out", required=True, help=f"file to write: {', '.join(SUFFIXES)}")
    parser.add_argument(
        "--option", action="append", default=[], help="another file to include; repeatable"
    )
    return parser


def pack(options: argparse.Namespace) -> None:
    """Write the packed file."""
    experiment, out = Path(options.experiment_dir), Path(options.out)
    files = {"model_file": experiment / options.model_file}
    for folder in ("audio_encoder", "text_encoder"):  # configurations, features, tokenizers
        found = sorted(
            path
            for path in (experiment / folder).rglob("*")
            if path.is_file() and not is_left_over(path)
        )
        files.update((path.relative_to(experiment).as_posix(), path) for path in found)
    more = [Path(name) for name in options.option]
    write_packed(out, experiment, files, {"config": experiment / "config.yaml"}, more)
    print(f"{out}: {out.stat().st_size / 1e6:.1f} MB", file=sys.stderr)


def main(arguments: Optional[Sequence[str]] = None) -> None:
    """Entry point; `--help` lists the options."""
    run_command(get_parser(), pack, arguments)


if __name__ == "__main__":
    main()
