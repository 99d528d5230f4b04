"""The GPUs of this machine, shared out among trainings that run at the same time."""

import argparse
import os
import re
import subprocess
from typing import List, Optional, Sequence

from espnet_mlclap.experiments.plan import Run
from espnet_mlclap.utils.errors import UserError

_HELP_LINE = re.compile(r"^ *--ngpu .*\(default: (\d+)\)$", re.MULTILINE)


def share_gpus(jobs: int, runs: Sequence[Run], recipe: str, passed: Sequence[str]) -> List[str]:
    """GPUs for each of `jobs` trainings at a time, none of them twice.

    Args:
        jobs: trainings at a time.
        runs: the trainings.
        recipe: run.sh, whose --help tells how many GPUs it uses where nothing else says so.
        passed: further options of every run.sh.

    Returns:
        A value of CUDA_VISIBLE_DEVICES a job. Nothing if the trainings use no GPU, or if this machine has
        none (a cluster then gives each its own, by cmd.sh).

    Raises:
        UserError: there are fewer GPUs than the jobs need, or the recipe cannot be run.
    """
    each = _gpus_of_a_run(runs, recipe, passed)
    gpus = _visible_gpus()
    if each == 0 or gpus is None:
        return []
    if jobs * each > len(gpus):
        raise UserError(
            f"--jobs {jobs}: trainings with --ngpu {each} need {jobs * each} GPUs, but there are "
            f"{len(gpus)} (CUDA_VISIBLE_DEVICES, nvidia-smi -L). Give fewer --jobs, or less by -- --ngpu."
        )
    return [",".join(gpus[job * each : (job + 1) * each]) for job in range(jobs)]


def _gpus_of_a_run(runs: Sequence[Run], recipe: str, passed: Sequence[str]) -> int:
    """The most that any training uses: as the command line says, else the list, else the recipe."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--ngpu", type=int)
    given = parser.parse_known_args(passed)[0].ngpu
    if given is not None:
        return given
    listed = [run.experiment.options.get("ngpu") for run in runs]
    own = 0
    if None in listed:
        try:
            shown = subprocess.run([recipe, "--help"], capture_output=True, text=True).stdout
        except OSError as error:
            raise UserError(f"{recipe}: cannot be run ({error.strerror}).") from error
        found = _HELP_LINE.search(shown)
        own = int(found[1]) if found else 0
    return max(own if number is None else int(number) for number in listed)


def _visible_gpus() -> Optional[List[str]]:
    """Names or numbers as CUDA_VISIBLE_DEVICES takes them; None where nothing tells of a GPU."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        words = [word.strip() for word in visible.split(",")]
        return [word for word in words if word not in ("", "-1")]
    try:
        shown = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True).stdout
    except OSError:
        return None
    count = len(re.findall(r"^GPU \d+:", shown, re.MULTILINE))
    return [str(number) for number in range(count)] or None
