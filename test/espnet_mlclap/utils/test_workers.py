"""Worker processes go down with their parent."""

import functools
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from espnet_mlclap.utils.errors import UserError
from espnet_mlclap.utils.workers import map_unordered

PARENT = """
import os, sys, time
from espnet_mlclap.utils.workers import map_unordered
def work(number):
    print(os.getpid(), flush=True)
    time.sleep(60)
if __name__ == "__main__":
    list(map_unordered(work, [1, 2], 2))
"""


def test_all_results_come():
    assert sorted(map_unordered(abs, range(-5, 0), 2)) == [1, 2, 3, 4, 5]


def test_a_worker_that_is_killed_is_noticed():
    with pytest.raises(UserError, match="a worker process was killed.*Use fewer processes"):
        list(map_unordered(os._exit, [1, 1, 1], 2))


def test_an_error_of_a_worker_comes_as_it_is():
    with pytest.raises(ZeroDivisionError):
        list(map_unordered(functools.partial(divmod, 1), [1, 0, 1], 2))


def test_killing_the_parent_ends_the_workers(tmp_path):
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    parent = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True)
    workers = [Path("/proc") / parent.stdout.readline().strip() for _ in range(2)]
    assert len(workers) == 2
    assert all(worker.exists() for worker in workers)
    parent.kill()
    parent.wait()
    end = time.monotonic() + 10
    while any(worker.exists() for worker in workers) and time.monotonic() < end:
        time.sleep(0.05)
    assert not any(worker.exists() for worker in workers)
