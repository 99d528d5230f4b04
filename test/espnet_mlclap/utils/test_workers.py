"""Worker processes go down with their parent."""

import subprocess
import sys
import time
from pathlib import Path

from espnet_mlclap.utils.workers import worker_pool

PARENT = """
import os, time
from espnet_mlclap.utils.workers import worker_pool
if __name__ == "__main__":
    with worker_pool(2) as pool:
        print(*sorted({worker.pid for worker in pool._pool}), flush=True)
        pool.map(time.sleep, [60, 60])
"""


def test_the_pool_works():
    with worker_pool(2) as pool:
        assert sorted(pool.imap_unordered(abs, range(-5, 0))) == [1, 2, 3, 4, 5]


def test_killing_the_parent_ends_the_workers(tmp_path):
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    parent = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True)
    workers = [Path("/proc") / pid for pid in parent.stdout.readline().split()]
    time.sleep(1.0)  # they have started their work
    assert len(workers) == 2
    assert all(worker.exists() for worker in workers)
    parent.kill()
    parent.wait()
    end = time.monotonic() + 10
    while any(worker.exists() for worker in workers) and time.monotonic() < end:
        time.sleep(0.05)
    assert not any(worker.exists() for worker in workers)
