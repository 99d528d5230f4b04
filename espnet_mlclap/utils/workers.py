"""Worker processes that end with the process that started them, and whose death is noticed."""

import multiprocessing
import os
import threading
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import Callable, Iterator, Sequence, TypeVar

from espnet_mlclap.utils.errors import UserError

_LOOK_EVERY = 0.5  # seconds

Item = TypeVar("Item")
Result = TypeVar("Result")


def map_unordered(
    work: Callable[[Item], Result], items: Sequence[Item], processes: int
) -> Iterator[Result]:
    """Results of `work` for each item, as they come, from processes that end within a second of this one.

    Args:
        work: a function that can be sent to other processes.
        items: what it is called with.
        processes: how many.

    Raises:
        UserError: a process was killed, which is what happens where memory is short.
    """
    pool = ProcessPoolExecutor(
        min(processes, len(items)),
        multiprocessing.get_context("spawn"),
        initializer=end_with_parent,
        initargs=(os.getpid(),),
    )
    try:
        for future in as_completed([pool.submit(work, item) for item in items]):
            yield future.result()
    except BrokenProcessPool as error:
        raise UserError(
            "a worker process was killed, as happens when memory is short. Use fewer processes (--nj); what "
            "was finished is kept."
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def end_with_parent(parent: int) -> None:
    """End this process within a second of the death of `parent`, the process that started it."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_LOOK_EVERY)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
