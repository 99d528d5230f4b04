"""Worker processes that end with the process that started them, however that one ends."""

import contextlib
import multiprocessing
import os
import threading
import time
from multiprocessing.pool import Pool
from typing import Iterator

_LOOK_EVERY = 0.5  # seconds


@contextlib.contextmanager
def worker_pool(processes: int) -> Iterator[Pool]:
    """A pool of worker processes; killing its parent (even by SIGKILL) ends them within a second.

    Args:
        processes: how many.
    """
    context = multiprocessing.get_context("spawn")
    with context.Pool(processes, end_with_parent, (os.getpid(),)) as pool:
        yield pool


def end_with_parent(parent: int) -> None:
    """End this process within a second of the death of `parent`, the process that started it."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_LOOK_EVERY)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
