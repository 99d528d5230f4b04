"""Write RESULTS.md with tables and figures of a scored experiment (stage 7)."""

import argparse
from pathlib import Path
from typing import Optional, Sequence

from espnet_mlclap.utils.cli import run_command


def get_parser() -> argparse.ArgumentParser:
    """Options of this command."""
    parser = argparse.ArgumentParser(prog="mlclap report", description=__doc__)
    parser.add_argument("--experiment_dir", required=True, help="exp/<experiment>")
    parser.add_argument("--inference_tag", required=True, help="folder in it with scores.json")
    parser.add_argument(
        "--out", help="Markdown file (default: RESULTS.md in that folder); figures/ goes next to it"
    )
    parser.add_argument(
        "--baseline",
        help="another experiment: its folder, or its inference folder; drawn next to this one",
    )
    parser.add_argument(
        "--note",
        default="",
        help="what a reader must know first, e.g. that the corpus is synthetic",
    )
    parser.add_argument("--title", default="", help="heading; the experiment's name if none")
    return parser


def report(options: argparse.Namespace) -> None:
    """Write the report."""
    from espnet_mlclap.reports.report import write_report

    inference_dir = Path(options.experiment_dir) / options.inference_tag
    write_report(
        options.out or inference_dir / "RESULTS.md",
        experiment_dir=options.experiment_dir,
        inference_dir=inference_dir,
        baseline_dir=options.baseline,
        note=options.note,
        title=options.title,
    )


def main(arguments: Optional[Sequence[str]] = None) -> None:
    """Entry point; `--help` lists the options."""
    run_command(get_parser(), report, arguments)


if __name__ == "__main__":
    main()
