#!/usr/bin/env python3
"""How fast, how right and how large the local store is with many windows.

    python tools/bench/search.py --windows 1000000 --folder /data/bench     a store of 5 GB, about ten minutes
    python tools/bench/search.py --windows 100000 --vectors float16

It makes windows of width 1024, fills a store with them as `mlclap index` does, opens it in a new process and
asks 200 questions. Printed: time until it can be asked, median and 95th percentile of a warm search, memory
of that process, recall of the best ten against comparing with all windows, the time which that takes, and
what adding and removing 1,000 windows takes.

Questions and windows are drawn from the same mixture: many kinds of sound of different frequency, each around
a point of a space of 100 dimensions, with noise in all 1024. `--noise 3` has hardly any structure left: no
index finds much of that.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Dict, Iterator, Tuple

import numpy as np

from espnet_mlclap.search.database import Database
from espnet_mlclap.search.stores.abs_store import Recording, Windows
from espnet_mlclap.search.stores.local import LocalStore

SIZE = 1024
DIMENSIONS = 100
PER_RECORDING = 50
BLOCK = 20_000
QUESTIONS = 200
TOP = 10


class Mixture:
    """Windows like those of a collection of recordings, block by block, always the same."""

    def __init__(self, kinds: int, noise: float):
        generator = np.random.default_rng(0)
        self._space = generator.standard_normal((DIMENSIONS, SIZE)).astype(np.float32)
        self._kinds = generator.standard_normal((kinds, DIMENSIONS)).astype(np.float32)
        frequency = 1 / np.arange(1, kinds + 1) ** 0.5
        self._frequency = frequency / frequency.sum()
        self._noise = noise

    def block(self, number: int, count: int) -> np.ndarray:
        """[count, SIZE] unit vectors."""
        generator = np.random.default_rng([1, number])
        kinds = self._kinds[generator.choice(len(self._kinds), count, p=self._frequency)]
        inside = kinds + 0.5 * generator.standard_normal(kinds.shape, dtype=np.float32)
        everywhere = generator.standard_normal((count, SIZE), dtype=np.float32)
        rows = inside @ self._space + self._noise * DIMENSIONS**0.5 * everywhere
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    def blocks(self, windows: int) -> Iterator[Tuple[int, np.ndarray]]:
        """(first window, vectors) of all blocks."""
        for start in range(0, windows, BLOCK):
            yield start, self.block(start, min(BLOCK, windows - start))


def recordings(first: int, vectors: np.ndarray) -> list:
    """The windows as recordings of 50 windows each."""
    spans = np.stack([np.arange(PER_RECORDING) * 5.0, np.arange(PER_RECORDING) * 5.0 + 10], axis=1)
    made = []
    for start in range(0, len(vectors), PER_RECORDING):
        number = (first + start) // PER_RECORDING + 1
        recording = Recording(number, f"/recordings/{number:08}.wav", 0.0, 255.0)
        rows = vectors[start : start + PER_RECORDING]
        made.append((recording, Windows(spans[: len(rows)], rows)))
    return made


def open_store(folder: Path, options: argparse.Namespace) -> LocalStore:
    """The store in a folder."""
    database = Database(folder / "library.sqlite")
    return LocalStore(database, folder, vectors=options.vectors, exact_up_to=options.exact_up_to)


def fill(folder: Path, mixture: Mixture, options: argparse.Namespace) -> Dict[str, float]:
    """Put all windows in; seconds for that and for the index."""
    store, began = open_store(folder, options), time.perf_counter()
    for first, vectors in mixture.blocks(options.windows):
        store.upsert(recordings(first, vectors))
    filled = time.perf_counter()
    store.finish()
    return {"fill_s": filled - began, "index_s": time.perf_counter() - filled}


def ask(folder: Path, mixture: Mixture, options: argparse.Namespace) -> Dict[str, object]:
    """In a process of its own: open, search, add, remove."""
    began = time.perf_counter()
    store = open_store(folder, options)
    questions = mixture.block(-1 % 2**32, QUESTIONS)
    store.search(questions[0], TOP)
    opened = time.perf_counter() - began
    seconds, found = [], []
    for question in questions:
        start = time.perf_counter()
        hits = store.search(question, TOP)
        seconds.append(time.perf_counter() - start)
        found.append(
            [(hit.recording.id - 1) * PER_RECORDING + round(hit.start / 5) for hit in hits]
        )
    index = store.describe()["index"]
    start = time.perf_counter()
    more = recordings(10**9, mixture.block(7, 1000))
    store.upsert(more)
    store.search(questions[0], TOP)
    added = time.perf_counter() - start
    start = time.perf_counter()
    store.delete([recording.id for recording, _ in more])
    store.search(questions[0], TOP)
    return {
        "open_s": opened,
        "median_ms": 1e3 * statistics.median(seconds),
        "p95_ms": 1e3 * float(np.percentile(seconds, 95)),
        "add_1000_s": added,
        "remove_1000_s": time.perf_counter() - start,
        "memory_gib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
        "index": index,
        "found": found,
    }


def exact(mixture: Mixture, windows: int) -> Tuple[np.ndarray, float]:
    """The best windows of each question [QUESTIONS, TOP], and ms of comparing one question with all."""
    questions = mixture.block(-1 % 2**32, QUESTIONS)
    best = np.full((QUESTIONS, TOP), -2.0, np.float32)
    ids = np.zeros((QUESTIONS, TOP), np.int64)
    seconds = 0.0
    for first, vectors in mixture.blocks(windows):
        start = time.perf_counter()
        _ = vectors @ questions[0]
        seconds += time.perf_counter() - start
        scores = np.concatenate([best, questions @ vectors.T], axis=1)
        numbers = np.concatenate(
            [
                ids,
                np.broadcast_to(np.arange(first, first + len(vectors)), (QUESTIONS, len(vectors))),
            ],
            axis=1,
        )
        chosen = np.argsort(-scores, axis=1)[:, :TOP]
        best = np.take_along_axis(scores, chosen, axis=1)
        ids = np.take_along_axis(numbers, chosen, axis=1)
    return ids, 1e3 * seconds


def main() -> None:
    """Fill, ask, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    add = parser.add_argument
    add("--windows", type=int, default=100_000)
    add("--folder", type=Path, help="where the store is made (default: a temporary folder)")
    add("--vectors", default="float32", help="how the store keeps them: float32, float16, int8")
    add("--exact_up_to", type=int, default=100_000, help="windows that are compared one by one")
    add("--kinds", type=int, default=5000, help="of sound in the mixture")
    add("--noise", type=float, default=0.5, help="strength beside that of the kinds")
    add("--ask", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    mixture = Mixture(options.kinds, options.noise)
    if options.ask is not None:
        print(json.dumps(ask(options.ask, mixture, options)))
        return
    if options.folder is not None:
        options.folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        filled = fill(folder, mixture, options)
        size = sum(path.stat().st_size for path in folder.iterdir()) / 2**30
        command = [sys.executable, __file__, *sys.argv[1:], "--ask", str(folder)]
        run = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
        asked = json.loads(run.stdout)
    best, exact_ms = exact(mixture, options.windows)
    hits = sum(len({*one} & {*other}) for one, other in zip(asked.pop("found"), best.tolist()))
    print(
        f"{options.windows} windows of width {SIZE}, {options.vectors}, index: {asked.pop('index')}"
    )
    print(f"recall@{TOP} against comparing with all (which takes {exact_ms:.0f} ms): "
          f"{hits / (QUESTIONS * TOP):.4f}")  # fmt: skip
    for key, value in {**asked, **filled, "disk_gib": size}.items():
        print(f"{key:14} {value:10.3f}")


if __name__ == "__main__":
    main()
