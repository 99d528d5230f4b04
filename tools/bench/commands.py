#!/usr/bin/env python3
"""Seconds that the commands take which a recipe starts before anything else, or again and again.

    python tools/bench/commands.py [--runs 5] [--at_most 1.0]

Seconds are CPU time of whole processes that take turns, medians of some runs; next to them stands `import
torch`, which none of them does. The exit status is 1 where one is above
--at_most. A test would fail on a machine that is busy with other work, so this is none.
"""

import argparse
import resource
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Dict, List

ROOT = Path(__file__).resolve().parents[2]
TORCH = "import torch"
COMMANDS = (
    ["check_environment"],
    ["show_config", "conf/train.yaml"],
    ["score", "--help"],
    ["format_audio", "--help"],
)


def cpu_seconds(arguments: List[str]) -> float:
    """CPU time, user and system, of a Python process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [sys.executable, *arguments],
        check=True,
        stdout=subprocess.DEVNULL,
        cwd=ROOT / "egs2/mini/mlclap1",
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Print the seconds of each command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=5, help="of each command")
    parser.add_argument("--at_most", type=float, default=1.0, help="seconds that pass")
    options = parser.parse_args()
    programs = {TORCH: ["-c", TORCH]}
    for name, *more in COMMANDS:
        programs[" ".join([name, *more])] = ["-m", f"espnet_mlclap.bin.{name}", *more]
    seconds: Dict[str, List[float]] = {name: [] for name in programs}
    for run in range(options.runs + 1):
        for name, arguments in programs.items():
            measured = cpu_seconds(arguments)
            if run:  # the first one fills the cache of files
                seconds[name].append(measured)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    for name, median in medians.items():
        print(f"{name:30} {median:.2f} s CPU, {median / medians[TORCH]:.2f} times the first")
    slowest = max(median for name, median in medians.items() if name != TORCH)
    sys.exit(0 if slowest <= options.at_most else 1)


if __name__ == "__main__":
    main()
