"""Run the experiments of the paper's tables, then print our figures beside the paper's.

What is done already is not done again, an experiment of several tables is run once, and a job that was
killed goes on where it was. Options behind `--` go to every run.sh: `./run_experiments.sh --tables "2 4" --
--ngpu 2`.
"""

import argparse
import logging
import shlex
import subprocess
import sys
import time
from pathlib import Path
from typing import List, Optional, Sequence

from espnet_mlclap.utils.cli import bool_option, run_command
from espnet_mlclap.utils.errors import UserError

_DATA_STAGES = ["--stage", "1", "--stop_stage", "4"]
_MODEL_STAGES = ["--stage", "5", "--stop_stage", "6"]
_SCORE_STAGE = ["--stage", "7", "--stop_stage", "7"]


def get_parser() -> argparse.ArgumentParser:
    """Options of this command."""
    parser = argparse.ArgumentParser(
        prog="espnet_mlclap.bin.run_experiments",
        description=__doc__,
        usage="%(prog)s [options] [-- options of run.sh]",
    )
    parser.add_argument("--tables", default="all", help='such as "2 4 figure2"')
    parser.add_argument("--seeds", default="1", help='seeds of training, such as "1 2 3"')
    parser.add_argument("--config", default="conf/experiments.yaml", help="list of experiments")
    parser.add_argument("--expdir", default="exp", help="folder of the experiments")
    parser.add_argument(
        "--inference_model", default="valid.mAP@10.best.pth", help="checkpoint to test"
    )
    parser.add_argument("--out", default="exp/PAPER.md", help="the tables, as Markdown")
    parser.add_argument("--run", default="./run.sh", help="the recipe")
    parser.add_argument(
        "--dry_run", type=bool_option, default=False, help="only print the commands"
    )
    return parser


class _Runner:
    """Calls the recipe, or prints what it would call."""

    def __init__(self, recipe: str, passed: Sequence[str], dry_run: bool):
        self.recipe = recipe
        self.passed = list(passed)
        self.dry_run = dry_run

    def __call__(self, stages: Sequence[str], options: Sequence[str]) -> bool:
        """Run some stages; whether they ended well."""
        command = [self.recipe, *stages, *options, *self.passed]
        if self.dry_run:
            print(shlex.join(command), flush=True)
            return True
        try:
            return subprocess.run(command).returncode == 0
        except OSError as error:
            raise UserError(
                f"{self.recipe}: cannot be run ({error.strerror}). Start this in a recipe's folder."
            ) from error


def run_experiments(options: argparse.Namespace, passed: Sequence[str]) -> None:
    """Data once, then every training that the tables need, then the tables.

    Raises:
        UserError: the data could not be made, or some experiments failed; names them.
    """
    from espnet_mlclap.experiments.paper import read_paper
    from espnet_mlclap.experiments.plan import (
        data_options,
        read_experiments,
        run_options,
        run_tag,
        select,
    )

    paper = read_paper()
    listed = read_experiments(options.config)
    names = paper.names(options.tables)
    runs = select(listed, paper, names, _seeds(options.seeds))
    run = _Runner(options.run, passed, options.dry_run)
    for data in data_options(runs, options.expdir):
        if not run(_DATA_STAGES, data):
            raise UserError("the data could not be made; the cause stands above.")

    failed: List[str] = []
    durations: List[float] = []
    for number, one in enumerate(runs, 1):
        start_name = one.experiment.starts_from
        if start_name is not None and run_tag(start_name, one.seed) in failed:
            logging.warning(f"{one.tag}: left out, since {start_name} failed")
            failed.append(one.tag)
            continue
        print(f"\nExperiment {number} of {len(runs)}: {one.tag}{_left(durations, number, runs)}")
        sys.stdout.flush()
        start = time.monotonic()
        inference = Path(options.expdir, f"mlclap_{one.tag}", _tag(options.inference_model))
        arguments = run_options(one, options.expdir, options.inference_model)
        was_scored = _is_scored(inference, listed.test_sets)
        good = run(_MODEL_STAGES, arguments)
        if good and not _is_scored(inference, listed.test_sets):
            good = run(_SCORE_STAGE, arguments)
        if not good:
            failed.append(one.tag)
        elif not was_scored and not options.dry_run:
            durations.append(time.monotonic() - start)
    if not options.dry_run:
        from espnet_mlclap.experiments.report import write_report

        text = write_report(
            options.out,
            paper=paper,
            listed=listed,
            names=names,
            expdir=options.expdir,
            inference_tag=_tag(options.inference_model),
        )
        print(f"\n{text}\nwritten to {options.out}")
    if failed:
        raise UserError(
            f"{len(failed)} of {len(runs)} experiments failed: {' '.join(failed)}. The causes stand "
            "above; run the same command again to go on."
        )


def _seeds(text: str) -> List[int]:
    words = text.split()
    if not words or not all(word.isdigit() for word in words) or len(set(words)) < len(words):
        raise UserError(f"--seeds {text!r}: must be different whole numbers with blanks between.")
    return [int(word) for word in words]


def _tag(inference_model: str) -> str:
    return inference_model.removesuffix(".pth")  # as mlclap.sh names its folder


def _is_scored(inference: Path, test_sets: Sequence[str]) -> bool:
    """Whether there are scores, and newer ones than the embeddings of all test sets."""
    scores = inference / "scores.json"
    made = [inference / name / ".made" for name in test_sets]
    if not all(path.is_file() for path in [scores, inference / "RESULTS.md", *made]):
        return False
    return scores.stat().st_mtime >= max(path.stat().st_mtime for path in made)


def _left(durations: Sequence[float], number: int, runs: Sequence[object]) -> str:
    if not durations:
        return ""
    minutes = sum(durations) / len(durations) * (len(runs) - number + 1) / 60
    return f" (about {minutes:.0f} minutes left, if none of them is done)"


def main(arguments: Optional[Sequence[str]] = None) -> None:
    """Entry point; `--help` lists the options."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    passed: List[str] = []
    if "--" in words:
        at = words.index("--")
        words, passed = words[:at], words[at + 1 :]
    run_command(get_parser(), lambda options: run_experiments(options, passed), words)


if __name__ == "__main__":
    main()
