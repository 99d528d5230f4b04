"""Vectors of many items on disk, found by id without loading them: made once, resumed after a kill.

A table is a folder:

    rows.npy   [n, E] float16, one row per item
    ids.npy    [n] bytes, the ids in UTF-8, sorted: item i has row i
    identity   what the vectors were made from, as a hash; another one makes the table again

The files are read by memory map: of a table of millions of items only the pages that are asked for are in
memory. While a table is made, the folder `<name>.partial` has it with the file `done`, the number of items
that are on disk; a lock lets one process at a time write a table.
"""

import contextlib
import fcntl
import logging
import os
import shutil
import time
from pathlib import Path
from typing import Callable, Iterable, Iterator, List, Optional, Sequence, Union

import numpy as np

from espnet_mlclap.utils.atomic import atomic_open, make_dir
from espnet_mlclap.utils.errors import UserError
from espnet_mlclap.utils.progress import progress_bar

_DTYPE = np.float16
_SAVED_EVERY = 20.0  # seconds; what is computed between two is lost by a kill


class EmbeddingTable:
    """A table that is there.

    Args:
        folder: the table.

    It can be sent to other processes, which open the files for themselves.

    Raises:
        UserError: it is missing, incomplete or broken.
    """

    def __init__(self, folder: Union[str, Path]):
        self.folder = Path(folder)
        self._open()

    def __getstate__(self) -> dict:
        return {"folder": self.folder}

    def __setstate__(self, state: dict) -> None:
        self.folder = state["folder"]
        self._open()

    def _open(self) -> None:
        try:
            self._ids = np.load(self.folder / "ids.npy", mmap_mode="r", allow_pickle=False)
            self._rows = np.load(self.folder / "rows.npy", mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise UserError(
                f"{self.folder}: no table of vectors ({error}). Run stage 5 again with --teachers."
            ) from error
        if self._ids.dtype.kind != "S" or self._rows.shape[:1] != self._ids.shape:
            raise UserError(f"{self.folder}: broken: remove it and run stage 5 again.")

    def __len__(self) -> int:
        return len(self._ids)

    @property
    def size(self) -> int:
        """Width of a vector."""
        return self._rows.shape[1]

    def find(self, keys: Sequence[str]) -> np.ndarray:
        """Rows of items, int64; -1 for those that are not in the table."""
        encoded = [key.encode("utf-8") for key in keys]
        # of the table's own type: another would make numpy convert all of its ids
        wanted = np.array(encoded, dtype=self._ids.dtype)
        places = np.searchsorted(self._ids, wanted).astype(np.int64)
        there = np.minimum(places, len(self) - 1)
        found = self._ids[there] == wanted
        found &= np.array([len(key) for key in encoded]) <= self._ids.dtype.itemsize
        return np.where(found, places, -1)

    def vectors(self, rows: np.ndarray) -> np.ndarray:
        """Rows as [n, E] float32."""
        return np.asarray(self._rows[rows], dtype=np.float32)


def is_made(folder: Union[str, Path], identity: str) -> bool:
    """Whether the table is there, complete, and made from what `identity` says."""
    path = Path(folder) / "identity"
    return path.is_file() and path.read_text(encoding="utf-8").strip() == identity


def make_table(
    folder: Union[str, Path],
    *,
    identity: str,
    keys: Sequence[str],
    size: int,
    order: Sequence[int],
    embed: Callable[[List[int]], Iterable[np.ndarray]],
    label: str,
) -> None:
    """Make a table, or what is missing of one that was begun from the same things.

    Args:
        folder: the table; one that is there takes up its place until this one is complete.
        identity: hash of what the vectors are made from: the model, the items, their order.
        keys: ids of the items, sorted by their bytes.
        size: width E of a vector.
        order: the items in the order in which they are computed, as places in `keys`.
        embed: vectors of the items that it gets as places in `keys`: blocks [n, E] one after the other.
        label: what progress calls the items.

    Raises:
        UserError: the folder cannot be written to; NaN or infinity in a vector.
    """
    folder = Path(folder)
    make_dir(folder.parent)
    with _locked(folder.with_name(f"{folder.name}.lock")):
        if is_made(folder, identity):  # by the process that had the lock
            return
        partial = folder.with_name(f"{folder.name}.partial")
        done = _begin(partial, identity, keys, size)
        if done:
            logging.info(f"{folder}: continues after {done} of {len(keys)} {label}")
        _fill(partial, order, done, embed, label)
        (partial / "done").unlink()
        if folder.exists():
            shutil.rmtree(folder)
        os.replace(partial, folder)


def _fill(
    partial: Path,
    order: Sequence[int],
    done: int,
    embed: Callable[[List[int]], Iterable[np.ndarray]],
    label: str,
) -> None:
    """Compute what is missing after the first `done` items."""
    rows = np.load(partial / "rows.npy", mmap_mode="r+")
    saved = time.monotonic()
    try:
        with progress_bar(f"embedding {label}", len(order), label) as bar:
            bar.update(done)
            for block in embed(list(order[done:])):
                if not np.isfinite(block).all():
                    raise UserError(f"{partial}: the model gives NaN or infinity for some {label}.")
                rows[list(order[done : done + len(block)])] = block
                done += len(block)
                bar.update(len(block))
                if time.monotonic() - saved >= _SAVED_EVERY:
                    _save(partial, rows, done)
                    saved = time.monotonic()
    finally:
        _save(partial, rows, done)


def _save(partial: Path, rows: np.memmap, done: int) -> None:
    rows.flush()
    _write_text(partial / "done", str(done))


def _begin(partial: Path, identity: str, keys: Sequence[str], size: int) -> int:
    """Number of items that are on disk already; 0 after making an empty table."""
    if is_made(partial, identity) and (partial / "done").is_file():
        return int((partial / "done").read_text(encoding="utf-8"))
    if partial.exists():
        shutil.rmtree(partial)
    make_dir(partial)
    np.save(partial / "ids.npy", np.array([key.encode("utf-8") for key in keys], dtype=bytes))
    rows = np.lib.format.open_memmap(
        partial / "rows.npy", mode="w+", dtype=_DTYPE, shape=(len(keys), size)
    )
    rows.flush()
    _write_text(partial / "done", "0")
    _write_text(partial / "identity", identity)  # the last: now it can be continued
    return 0


def _write_text(path: Path, text: str) -> None:
    with atomic_open(path) as file:
        file.write(f"{text}\n")


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            logging.info(f"{path.with_suffix('')}: another process makes it; waiting")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def first_missing(tables: Sequence[EmbeddingTable], keys: Sequence[str]) -> Optional[str]:
    """The first id that is in none of the tables; None if all are there."""
    missing = np.ones(len(keys), dtype=bool)
    for table in tables:
        missing &= table.find(keys) < 0
    return keys[int(np.flatnonzero(missing)[0])] if missing.any() else None
