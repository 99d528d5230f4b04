"""Run the experiments of the tables of papers, then print our figures next to the printed ones.

What is done already is not done again, an experiment of several tables is run once, and a job that was
killed resumes where it stopped. Options after `--` go to every run.sh: `./run_experiments.sh --tables "2 4"
-- --ngpu 2`; those that an experiment of the list sets, and seed, folders and stages, are refused there.
Trainings at the same time (`--jobs`) get GPUs of their own, from CUDA_VISIBLE_DEVICES if set.
"""

import argparse
import logging
import os
import shlex
import subprocess
import sys
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import IO, Dict, List, Mapping, Optional, Sequence

from espnet_mlclap.bin.paper_tables import PAPERS_HELP
from espnet_mlclap.experiments.data import data_options
from espnet_mlclap.experiments.gpus import share_gpus
from espnet_mlclap.experiments.papers import choose_papers
from espnet_mlclap.experiments.plan import read_experiments
from espnet_mlclap.experiments.recipe import Plan, ask_plan
from espnet_mlclap.experiments.runs import (
    Run,
    check_passed,
    longest_first,
    read_seeds,
    run_options,
    select,
)
from espnet_mlclap.experiments.scored import is_scored, note_scored, scoring_inputs
from espnet_mlclap.utils.atomic import make_dir
from espnet_mlclap.utils.cli import bool_option, run_command
from espnet_mlclap.utils.config import BEST_MODEL
from espnet_mlclap.utils.errors import UserError

_DATA_STAGES = ["--stage", "1", "--stop_stage", "4"]
_MODEL_STAGES = ["--stage", "5", "--stop_stage", "6"]
_SCORE_STAGE = ["--stage", "7", "--stop_stage", "7"]


def get_parser() -> argparse.ArgumentParser:
    """Options of this command."""
    parser = argparse.ArgumentParser(
        prog="mlclap run_experiments",
        description=__doc__,
        usage="%(prog)s [options] [-- options of run.sh]",
    )
    parser.add_argument("--papers", help=PAPERS_HELP)
    parser.add_argument("--tables", default="all", help='such as "2 4 figure2"')
    parser.add_argument("--seeds", default="1", help='seeds of training, such as "1 2 3"')
    parser.add_argument("--config", default="conf/experiments.yaml", help="list of experiments")
    parser.add_argument("--expdir", default="exp", help="folder of the experiments")
    parser.add_argument("--inference_model", default=BEST_MODEL, help="checkpoint to test")
    parser.add_argument("--out", default="exp/PAPER.md", help="the tables, as Markdown")
    parser.add_argument(
        "--jobs",
        type=int,
        default=1,
        help="trainings at a time, which share the cores (OMP_NUM_THREADS, if not set, is their share), each "
        "with GPUs of its own",
    )
    parser.add_argument("--run", default="./run.sh", help="the recipe")
    parser.add_argument(
        "--dry_run", type=bool_option, default=False, help="only print the commands"
    )
    return parser


class _Recipe:
    """Calls the recipe, or prints what it would call."""

    def __init__(self, script: str, passed: Sequence[str], dry_run: bool, jobs: int):
        self.script = script
        self.passed = list(passed)
        self.dry_run = dry_run
        self.environment = dict(os.environ)
        if jobs > 1:
            share = max(1, (os.cpu_count() or 1) // jobs)
            self.environment.setdefault("OMP_NUM_THREADS", str(share))

    def command(self, stages: Sequence[str], options: Sequence[str]) -> List[str]:
        """The command line of some stages."""
        return [self.script, *stages, *options, *self.passed]

    def __call__(
        self,
        stages: Sequence[str],
        options: Sequence[str],
        output: Optional[IO] = None,
        gpus: Optional[str] = None,
    ) -> bool:
        """Run some stages, with what they print in `output` or on the terminal; whether they ended well.

        They see the GPUs `gpus`, or all that this process sees.
        """
        command = self.command(stages, options)
        if self.dry_run:
            print(shlex.join(command), flush=True)
            return True
        environment = self.environment
        if gpus is not None:
            environment = {**environment, "CUDA_VISIBLE_DEVICES": gpus}
        try:
            ended = subprocess.run(
                command,
                stdout=output,
                stderr=subprocess.STDOUT if output else None,
                env=environment,
            )
        except OSError as error:
            raise UserError(
                f"{self.script}: cannot be run ({error.strerror}). Start this in a recipe's folder."
            ) from error
        return ended.returncode == 0


class _Trainings:
    """Trains, tests and scores experiments, one after the other or several at a time."""

    def __init__(
        self,
        recipe: _Recipe,
        plans: Mapping[str, Plan],
        options: argparse.Namespace,
        gpus: Sequence[str],
    ):
        self.recipe = recipe
        self.plans = plans  # by the tag of a training
        self.options = options
        self.gpus: SimpleQueue = SimpleQueue()  # those that are free, for a training each
        for number in range(options.jobs):
            self.gpus.put(gpus[number] if gpus else None)
        self.seconds: List[float] = []  # of those that were not done before

    def __call__(self, runs: Sequence[Run]) -> List[str]:
        """Run all of them; the tags of those that failed or whose needs failed."""
        ended: Dict[str, Future] = {}
        with ThreadPoolExecutor(self.options.jobs) as pool:
            try:
                for number, run in enumerate(runs, 1):
                    needed = {tag: ended[tag] for tag in run.needs}
                    title = f"Experiment {number} of {len(runs)}: {run.tag}"
                    remaining = len(runs) - number + 1
                    ended[run.tag] = pool.submit(self._run, run, needed, title, remaining)
                return [tag for tag, good in ended.items() if not good.result()]
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise

    def _run(self, run: Run, needed: Mapping[str, Future], title: str, remaining: int) -> bool:
        # What it needs was submitted before, so it is running or done: no deadlock.
        failed = [tag for tag, training in needed.items() if not training.result()]
        if failed:
            logging.warning(f"{run.tag}: left out, since {' and '.join(failed)} failed")
            return False
        options = self.options
        if self.seconds:
            minutes = sum(self.seconds) / len(self.seconds) * remaining / options.jobs / 60
            title += f" (about {minutes:.0f} minutes remaining, if none of them is done)"
        if options.jobs == 1 or options.dry_run:
            print(f"\n{title}", flush=True)
            return self._stages(run, None)
        log = make_dir(Path(options.expdir, "log")) / f"{run.tag}.log"
        print(f"{title}; see {log}", flush=True)
        gpus = self.gpus.get()
        try:
            with log.open("w", encoding="utf-8") as output:
                good = self._stages(run, output, gpus)
        finally:
            self.gpus.put(gpus)
        print(f"{run.tag}: {'done' if good else f'FAILED, see {log}'}", flush=True)
        return good

    def _stages(self, run: Run, output: Optional[IO], gpus: Optional[str] = None) -> bool:
        options = self.options
        began = time.monotonic()
        arguments = run_options(run, options.expdir, options.inference_model)
        scoring = self.recipe.command(_SCORE_STAGE, arguments)
        plan = self.plans.get(run.tag)  # none in a dry run
        was_scored = plan is not None and is_scored(plan, scoring)
        if not self.recipe(_MODEL_STAGES, arguments, output, gpus):
            return False
        if plan is None or not is_scored(plan, scoring):
            inputs = scoring_inputs(plan, scoring) if plan is not None else {}
            if not self.recipe(_SCORE_STAGE, arguments, output, gpus):
                return False
            if plan is not None:
                note_scored(plan, inputs)
        if not was_scored and not options.dry_run:
            self.seconds.append(time.monotonic() - began)
        return True


def run_experiments(options: argparse.Namespace, passed: Sequence[str]) -> None:
    """Data once, then every training that the tables need, then the tables.

    Raises:
        UserError: the data could not be made, or some experiments failed; names them.
    """
    if options.jobs < 1:
        raise UserError(f"--jobs {options.jobs}: must be 1 or more.")
    listed = read_experiments(options.config)
    chosen = choose_papers(listed.papers, options.papers, options.tables)
    seeds = read_seeds(options.seeds)
    runs = select(listed, chosen, seeds)
    check_passed(passed, runs)
    gpus: List[str] = []
    plans: Dict[str, Plan] = {}
    ratios: Dict[str, str] = {}
    for run in runs:
        ratios[run.tag] = run.experiment.options.get("le_ratio", "")
        if (
            not options.dry_run or not ratios[run.tag]
        ):  # where the list has none, the configuration has
            arguments = run_options(run, options.expdir, options.inference_model)
            plan = ask_plan(options.run, [*arguments, *passed])
            ratios[run.tag] = plan["le_ratio"]
            if not options.dry_run:
                plans[run.tag] = plan
    if not options.dry_run and options.jobs > 1:
        runs = longest_first(runs, {tag: plan.translations for tag, plan in plans.items()})
        gpus = share_gpus(options.jobs, max(int(plan["ngpu"]) for plan in plans.values()))
    recipe = _Recipe(options.run, passed, options.dry_run, options.jobs)
    for data in data_options(runs, options.expdir, ratios):
        if not recipe(_DATA_STAGES, data):
            raise UserError("the data could not be made; see the cause above.")
    failed = _Trainings(recipe, plans, options, gpus)(runs)
    if not options.dry_run:
        from espnet_mlclap.experiments.report import write_report

        text = write_report(
            options.out,
            chosen=chosen,
            listed=listed,
            expdir=options.expdir,
            inference_tag=_tag(options.inference_model),
            seeds=seeds,
            left_out=failed,
        )
        print(f"\n{text}\nwritten to {options.out}")
    if failed:
        raise UserError(
            f"{len(failed)} of {len(runs)} experiments failed: {' '.join(failed)}. The causes are "
            "above; run the same command again to continue."
        )


def _tag(inference_model: str) -> str:
    return inference_model.removesuffix(".pth")  # as mlclap.sh names its folder


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
