"""Experiments side by side: the source language and the mean of the other languages, both directions."""

import argparse
from pathlib import Path
from typing import Dict, List, Optional, Sequence

from espnet_mlclap.evaluation.scores import METRICS, AllScores, find_results_in, read_scores
from espnet_mlclap.reports.tables import COMPARED_METRICS, comparison_tables
from espnet_mlclap.utils.atomic import atomic_open
from espnet_mlclap.utils.cli import run_command
from espnet_mlclap.utils.errors import UserError


def get_parser() -> argparse.ArgumentParser:
    """Options of this command."""
    parser = argparse.ArgumentParser(prog="mlclap compare", description=__doc__)
    parser.add_argument(
        "experiments",
        nargs="+",
        metavar="[LABEL=]PATH",
        help="scores.json or its folder; the label is the experiment's folder if none is given, and "
        "trainings with the same LABEL (seeds) are put together as mean and standard deviation",
    )
    parser.add_argument("--metrics", nargs="+", default=COMPARED_METRICS, choices=METRICS)
    parser.add_argument("--sets", nargs="+", help="test sets to show; default: all")
    parser.add_argument("--out", help="also write the tables as Markdown to this file")
    return parser


def compare(options: argparse.Namespace) -> None:
    """Print the tables; write them as Markdown where asked."""
    experiments: Dict[str, List[AllScores]] = {}
    for argument in options.experiments:
        # a path may have "=" in it, so an existing path is taken as one
        label, equals, path = ("", "", argument) if Path(argument).exists() else _split(argument)
        if not equals:
            folder = Path(path).resolve()
            label = (folder if folder.is_dir() else folder.parent).parent.name
        if label in experiments and not equals:
            raise UserError(f"{argument}: two experiments are called {label!r}. Give LABEL=PATH.")
        experiments.setdefault(label, []).append(_scores(path))
    tables = comparison_tables(experiments, options.metrics)
    unknown = sorted(set(options.sets or ()) - set(tables))
    if unknown:
        raise UserError(f"--sets {' '.join(unknown)}: not scored; available: {', '.join(tables)}.")
    shown = {name: tables[name] for name in options.sets or tables}
    for name, parts in shown.items():
        print("\n".join([f"\n{name}", *(f"\n{table.text()}" for table in parts)]))
    if options.out:
        with atomic_open(options.out) as file:
            for name, parts in shown.items():
                file.write(f"## {name}\n\n")
                file.write("".join(f"{table.markdown()}\n\n" for table in parts))


def _scores(path: str) -> AllScores:
    inside = find_results_in(path)
    if inside and not (Path(path) / "scores.json").exists():
        raise UserError(
            f"{path}: an experiment's folder; give a folder of results in it: "
            f"{' or '.join(map(str, inside))}."
        )
    return read_scores(path)


def _split(argument: str) -> tuple:
    label, equals, path = argument.partition("=")
    return (label, equals, path) if equals else ("", "", argument)


def main(arguments: Optional[Sequence[str]] = None) -> None:
    """Entry point; `--help` lists the options."""
    run_command(get_parser(), compare, arguments)


if __name__ == "__main__":
    main()
