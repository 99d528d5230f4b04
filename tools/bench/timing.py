"""Things that are compared take turns, so that other work on the machine hits all of them alike."""

import statistics
import time
from typing import Callable, Dict, List


def take_turns(things: Dict[str, Callable[[], object]], runs: int) -> Dict[str, List[float]]:
    """CPU seconds of this process for each run of each thing, after one that is not counted."""
    seconds: Dict[str, List[float]] = {name: [] for name in things}
    for run in range(runs + 1):
        for name, thing in things.items():
            start = time.process_time()
            thing()
            if run:
                seconds[name].append(time.process_time() - start)
    return seconds


def show(seconds: Dict[str, List[float]], unit: str, per: float = 1.0) -> None:
    """Print medians, and each as a multiple of the first.

    Args:
        seconds: of `take_turns`.
        unit: what is done in a run, or in a part of it.
        per: how many parts a run has.
    """
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    first = next(iter(medians.values()))
    for name, median in medians.items():
        low, high = min(seconds[name]), max(seconds[name])
        print(
            f"{name:28} {1000 * median / per:10.2f} ms CPU a {unit} "
            f"({1000 * low / per:.2f}-{1000 * high / per:.2f}), {median / first:.2f} times the first"
        )
