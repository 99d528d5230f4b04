#!/usr/bin/env python3
"""Seconds that the commands take which a recipe starts before anything else, or again and again.

    python tools/bench/commands.py [--runs 5] [--at_most 1.0]

Seconds are CPU time of whole processes, the median of some runs. The exit status is 1 where one is above
--at_most. A test would fail on a machine that is busy with other work, so this is none.
"""

import argparse
import resource
import statistics
import subprocess
import sys
from pathlib import Path
from typing import List

ROOT = Path(__file__).resolve().parents[2]
COMMANDS = (
    ["check_environment"],
    ["show_config", "conf/train.yaml"],
    ["score", "--help"],
    ["format_audio", "--help"],
)


def cpu_seconds(command: List[str]) -> float:
    """CPU time, user and system, of a command of the package."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    module = f"espnet_mlclap.bin.{command[0]}"
    subprocess.run(
        [sys.executable, "-m", module, *command[1:]],
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
    slowest = 0.0
    for command in COMMANDS:
        cpu_seconds(command)  # fills the cache of files
        seconds = statistics.median(cpu_seconds(command) for _ in range(options.runs))
        slowest = max(slowest, seconds)
        print(f"{' '.join(command):30} {seconds:.2f} s CPU")
    sys.exit(0 if slowest <= options.at_most else 1)


if __name__ == "__main__":
    main()
