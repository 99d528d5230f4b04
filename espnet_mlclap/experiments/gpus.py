"""The GPUs of this machine, shared out among trainings that run at the same time."""

import os
import re
import subprocess
from typing import List, Optional

from espnet_mlclap.utils.errors import UserError


def share_gpus(jobs: int, each: int) -> List[str]:
    """GPUs for each of `jobs` trainings at a time, none of them twice.

    Args:
        jobs: trainings at a time.
        each: GPUs that a training uses.

    Returns:
        A value of CUDA_VISIBLE_DEVICES per job. Nothing if the trainings use no GPU, or if this machine has
        none (a cluster then gives each its own, by cmd.sh).

    Raises:
        UserError: there are fewer GPUs than the jobs need.
    """
    gpus = _visible_gpus()
    if each == 0 or gpus is None:
        return []
    if jobs * each > len(gpus):
        raise UserError(
            f"--jobs {jobs}: trainings with --ngpu {each} need {jobs * each} GPUs, but there are "
            f"{len(gpus)} (CUDA_VISIBLE_DEVICES, nvidia-smi -L). Lower --jobs, or --ngpu (after --)."
        )
    return [",".join(gpus[job * each : (job + 1) * each]) for job in range(jobs)]


def _visible_gpus() -> Optional[List[str]]:
    """Names or numbers as CUDA_VISIBLE_DEVICES takes them; None where nothing says that there is a GPU."""
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
