"""Windows of recordings embedded by jobs beside each other, for a library that then takes them over.

    <library>/shares/todo.json         the recordings to be embedded, how they are cut, by which model
    <library>/shares/<checksum>.npz    the windows of a recording

One process writes the list; the jobs work through their shares of it and never open the library's database,
which may be on a disk that several machines share; then one process brings the library up to date.
"""

import hashlib
import json
import logging
import shutil
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Iterator, List, Optional, Protocol, Sequence

import numpy as np

from espnet_mlclap.fileio.audio import AudioError
from espnet_mlclap.search.stores.abs_store import Windows
from espnet_mlclap.search.windows import Window, WindowPlan, read_windows
from espnet_mlclap.utils.atomic import atomic_open
from espnet_mlclap.utils.errors import UserError
from espnet_mlclap.utils.progress import progress
from espnet_mlclap.utils.reading import read_json
from espnet_mlclap.utils.settings import build_settings
from espnet_mlclap.utils.shard import Shard
from espnet_mlclap.utils.shown import shown


class Encode(Protocol):
    """Gives unit vectors [n, E] of n windows."""

    def __call__(self, windows: Sequence[Window]) -> np.ndarray: ...


@dataclass(frozen=True)
class Todo:
    """What is to be embedded.

    Attributes:
        model: its fingerprint.
        window, hop: as in `WindowPlan`.
        paths: of the recordings.
    """

    model: str
    window: float
    hop: float
    paths: Sequence[str]

    @property
    def plan(self) -> WindowPlan:
        """How they are cut."""
        return WindowPlan(self.window, self.hop)


class Shares:
    """What jobs have embedded for a library.

    Args:
        library: its folder.
    """

    def __init__(self, library: Path):
        self.folder = library / "shares"

    def write_todo(self, todo: Todo) -> None:
        """Note what is to be embedded; what was embedded for something else is removed."""
        if self.todo() is not None and not self._fit(todo.model, todo.plan):
            self.remove()
        with atomic_open(self.folder / "todo.json") as file:
            json.dump(vars(todo), file)

    def todo(self) -> Optional[Todo]:
        """What is to be embedded; None if nothing was noted."""
        path = self.folder / "todo.json"
        return build_settings(Todo, read_json(path), str(path)) if path.is_file() else None

    def find(self, checksum: bytes, model: str, plan: WindowPlan) -> Optional[Windows]:
        """The windows of a recording by the checksum of its file, if a job has embedded them so."""
        path = self._of(checksum)
        if not path.is_file() or not self._fit(model, plan):
            return None
        with np.load(path, allow_pickle=False) as arrays:
            return Windows(arrays["spans"], arrays["vectors"])

    def embed(self, shard: Shard, model: str, encode: Encode, batch_size: int) -> None:
        """Embed a share of what was noted, as far as it is not there.

        Recordings that cannot be read are left to who brings the library up to date.

        Args:
            shard: which.
            model: fingerprint of the one that encodes.
            encode: the model.
            batch_size: windows that are encoded together.

        Raises:
            UserError: nothing was noted for this model.
        """
        todo = self.todo()
        if todo is None or todo.model != model:
            raise UserError(
                f"{self.folder}: no list of recordings for this model. Make it first: mlclap index FOLDER "
                "--plan_shares true."
            )
        for path in progress(shard.of(todo.paths), f"share {shard}", unit="recordings"):
            try:
                checksum = file_checksum(path)
                if not self._of(checksum).exists():
                    self._embed(path, checksum, todo.plan, encode, batch_size)
            except (AudioError, OSError) as error:
                logging.warning("left out: %s: %s", shown(path), error)

    def remove(self) -> None:
        """Remove all of it."""
        if self.folder.exists():
            shutil.rmtree(self.folder)

    def _embed(
        self, path: str, checksum: bytes, plan: WindowPlan, encode: Encode, batch_size: int
    ) -> None:
        spans, vectors = [], []
        for batch in _batches(read_windows(path, plan), batch_size):
            spans += [(window.start, window.end) for window in batch]
            vectors.append(encode(batch))
        with atomic_open(self._of(checksum), "wb") as file:
            np.savez(file, spans=np.array(spans), vectors=np.concatenate(vectors).astype("f4"))

    def _fit(self, model: str, plan: WindowPlan) -> bool:
        todo = self.todo()
        return todo is not None and todo.model == model and str(todo.plan) == str(plan)

    def _of(self, checksum: bytes) -> Path:
        return self.folder / f"{checksum.hex()}.npz"


def file_checksum(path: str) -> bytes:
    """Of a file's bytes: by it a library knows equal recordings."""
    digest = hashlib.blake2b(digest_size=16)
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.digest()


def _batches(windows: Iterator[Window], size: int) -> Iterator[List[Window]]:
    while batch := list(islice(windows, size)):
        yield batch
