"""An epoch that was drawn, and the batches that it is put into."""

from typing import Any, Callable, List, NamedTuple, Sequence, Tuple

import numpy as np


class ClipCaptions(NamedTuple):
    """One clip of a batch with those of its captions that are in the batch."""

    clip: str
    captions: Tuple[str, ...]
    epoch: int


Batch = List[ClipCaptions]


class Epoch:
    """What was drawn for an epoch; it can be sent to other processes.

    Args:
        clips: the clip of each thing that was drawn (a caption, or those that stay together), as its row in
            the plan's `lengths`, [n].
        make: gives the things at some places by clip.
    """

    def __init__(self, clips: np.ndarray, make: Callable[[np.ndarray], Batch]):
        self.clips = clips
        self._make = make

    def batch(self, places: np.ndarray) -> Batch:
        """The things at some places, by clip: a clip once, with all of its captions that are there."""
        return self._make(places)


class EpochBatches(Sequence[Batch]):
    """The batches of an epoch; each is put together when it is asked for.

    Args:
        places: what is in each.
        make: puts one together.
    """

    def __init__(self, places: Sequence[np.ndarray], make: Callable[[np.ndarray], Batch]):
        self._places = places
        self._make = make

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, number: Any) -> Any:
        return self._make(self._places[number])
