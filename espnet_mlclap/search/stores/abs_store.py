"""What every store of vectors promises. The tests run the same cases on each."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Dict, Iterable, Iterator, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np


@dataclass(frozen=True)
class Recording:
    """A recording as stores know it.

    Attributes:
        id: number, never given to another recording.
        path: absolute.
        changed: when the file was changed last, seconds since 1970.
        duration: seconds.
        tags: words given by the user.
    """

    id: int
    path: str
    changed: float
    duration: float
    tags: Tuple[str, ...] = ()


@dataclass(frozen=True)
class Windows:
    """Windows of one recording: `spans` [n, 2] start and end in s, `vectors` [n, E] float32 unit vectors."""

    spans: np.ndarray
    vectors: np.ndarray


@dataclass(frozen=True)
class Where:
    """Which recordings a question is about. What is None, or empty, does not matter.

    Attributes:
        folder: absolute path of a folder that they are in, at any depth.
        changed_after, changed_before: when the file was changed last, seconds since 1970; after <= t <
            before.
        min_duration, max_duration: seconds of the recording, both included.
        tags: that it has, all of them.
        recordings: ids, one of which it has.
    """

    folder: Optional[str] = None
    changed_after: Optional[float] = None
    changed_before: Optional[float] = None
    min_duration: Optional[float] = None
    max_duration: Optional[float] = None
    tags: Tuple[str, ...] = ()
    recordings: Optional[Tuple[int, ...]] = None

    @property
    def everything(self) -> bool:
        """Does it leave nothing out?"""
        return self == Where()


EVERYTHING = Where()

#: Windows of a long recording that are held at once.
BLOCK = 2000


class Found(NamedTuple):
    """A window that a search gives: its id, its recording, start and end in s, cosine similarity."""

    window: int
    recording: Recording
    start: float
    end: float
    similarity: float


class AbsStore(ABC):
    """Windows of recordings, found by their vectors.

    A recording is in the store with all of its windows or not at all; a search sees whole states. Stores
    may be used by several threads.
    """

    @abstractmethod
    def upsert(self, recordings: Sequence[Tuple[Recording, Windows]]) -> None:
        """Put recordings with their windows into the store; one that is there already is replaced."""

    @abstractmethod
    def upsert_long(self, recording: Recording, blocks: Iterable[Windows]) -> None:
        """Put in a recording with more windows than should be held at once; they come in blocks, by time."""

    @abstractmethod
    def update(self, recordings: Sequence[Recording]) -> None:
        """Change path, time or tags of recordings, and keep their windows."""

    @abstractmethod
    def delete(self, recordings: Sequence[int]) -> None:
        """Remove recordings by their ids; one that is not there does not matter."""

    @abstractmethod
    def search(self, vector: np.ndarray, top: int, where: Where = EVERYTHING) -> List[Found]:
        """The windows most similar to `vector` [E], a unit vector, the best first.

        Equally similar windows come in the order of their ids.
        """

    @abstractmethod
    def count(self, where: Where = EVERYTHING) -> int:
        """How many windows there are."""

    @abstractmethod
    def blocks(self, recording: int) -> Iterator[Windows]:
        """The windows of one recording by time, at most `BLOCK` at once; none if it is not there."""

    def windows(self, recording: int) -> Windows:
        """All windows of one recording by time; none if it is not there."""
        blocks = list(self.blocks(recording))
        if not blocks:
            return Windows(np.empty((0, 2)), np.empty((0, 0), np.float32))
        return Windows(
            np.concatenate([block.spans for block in blocks]),
            np.concatenate([block.vectors for block in blocks]),
        )

    @abstractmethod
    def find(self, window: int) -> Optional[Tuple[Recording, float, float, np.ndarray]]:
        """A window by its id: recording, start, end, vector [E]; None if it is not there."""

    @abstractmethod
    def recording(self, recording: int) -> Optional[Recording]:
        """A recording by its id; None if it is not there."""

    @abstractmethod
    def finish(self) -> None:
        """Called after a series of changes, to keep what was derived from them."""

    @abstractmethod
    def close(self) -> None:
        """Let go of files and connections."""

    @abstractmethod
    def describe(self) -> Dict[str, object]:
        """What an operator wants to know: `store`, `windows`, `vectors`, `index`."""
