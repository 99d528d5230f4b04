"""Reads the lanes of an epoch in the data workers: clips from shards, from front to back, into batches."""

from contextlib import ExitStack
from types import TracebackType
from typing import Any, Callable, Dict, Iterator, List, Optional, Type

import numpy as np
from torch.utils.data import IterableDataset, get_worker_info

from espnet_mlclap.fileio.audio import Waveform, flac_waveform
from espnet_mlclap.fileio.forward import ForwardShard
from espnet_mlclap.fileio.shard_places import ShardPlaces
from espnet_mlclap.fileio.tar_members import member_key
from espnet_mlclap.iterators.epoch import ClipCaptions, Epoch
from espnet_mlclap.iterators.lanes import Lane
from espnet_mlclap.utils.errors import UserError
from espnet_mlclap.utils.shown import shown


class ShardStream(IterableDataset):
    """The batches of a rank: each data worker reads a lane; without workers there is one lane.

    While the batches of a window are made, the next window is read, step by step: FLAC files of at most
    two windows are in memory.

    Args:
        lanes: of this rank, from `LanePlan`.
        drawn: what the places in the lanes' batches stand for.
        clip_ids: sorted ids of all clips, [c] bytes.
        places: where the clips are.
        make_item: of a clip with its captions, and its samples.
        collate_fn: items to a batch.
    """

    def __init__(
        self,
        *,
        lanes: List[Lane],
        drawn: Epoch,
        clip_ids: np.ndarray,
        places: ShardPlaces,
        make_item: Callable[[ClipCaptions, Waveform], Any],
        collate_fn: Callable[[List[Any]], Any],
    ):
        self._lanes = lanes
        self._drawn = drawn
        self._clip_ids = clip_ids
        self._places = places
        self._make_item = make_item
        self._collate_fn = collate_fn

    def __len__(self) -> int:
        return sum(len(window.batches) for lane in self._lanes for window in lane)

    def __iter__(self) -> Iterator[Any]:
        """The batches of this worker.

        Raises:
            UserError: a shard is missing, has another size, or has something else where a clip should be.
            AudioError: a clip is broken.
        """
        worker = get_worker_info()
        for lane in self._lanes if worker is None else self._lanes[worker.id : worker.id + 1]:
            yield from self._batches(lane)

    def _batches(self, lane: Lane) -> Iterator[Any]:
        rows = np.concatenate([window.clips for window in lane])
        end = 0
        with _Clips(rows, self._clip_ids, self._places) as clips:
            for window, following in zip(lane, [*lane[1:], None]):
                start, end = end, end + len(window.clips)
                clips.read_to(end)
                ahead = 0 if following is None else len(following.clips)
                for done, places in enumerate(window.batches, 1):
                    items = [
                        self._make_item(item, clips.waveform(item.clip))
                        for item in self._drawn.batch(places)
                    ]
                    clips.read_to(end + ahead * done // len(window.batches))
                    yield self._collate_fn(items)
                clips.forget(start, end)


class _Clips:
    """FLAC files of the clips of a lane, read in its order. A context manager.

    Args:
        rows: of the clips in that order, [m]; one that is there twice in a row is read once.
        clip_ids, places: see `ShardStream`.
    """

    def __init__(self, rows: np.ndarray, clip_ids: np.ndarray, places: ShardPlaces):
        self._rows = rows
        self._clip_ids = clip_ids
        self._places = places
        self._read = 0
        self._held: Dict[str, bytes] = {}
        self._number = -1  # of the shard that is open
        self._shard: Optional[ForwardShard] = None
        self._open = ExitStack()

    def __enter__(self) -> "_Clips":
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        self._open.close()

    def _clip(self, row: int) -> str:
        return self._clip_ids[row].decode("utf-8")

    def read_to(self, end: int) -> None:
        """Read the clips before a place in the order."""
        for row in self._rows[self._read : end].tolist():
            clip = self._clip(row)
            if clip not in self._held:
                self._held[clip] = self._member(clip, row)
        self._read = max(self._read, end)

    def _member(self, clip: str, row: int) -> bytes:
        number, offset = int(self._places.shard[row]), int(self._places.offset[row])
        if number != self._number:
            self._open.close()
            place, size = self._places.files[number]
            self._shard = self._open.enter_context(ForwardShard(place, size, offset))
            self._number = number
        name, content = self._shard.member(offset)
        if name.partition(".")[0] != member_key(clip):
            raise UserError(
                f"{self._shard.place}:{offset}: is {shown(name)}, where the clip {clip!r} should be. The "
                "shards are not those of wav.scp: run stage 3 again, or give the right --shard_source."
            )
        return content

    def forget(self, start: int, end: int) -> None:
        """Drop the clips between two places, but for one that comes next as well."""
        following = self._rows[end : end + 1].tolist()
        for row in self._rows[start:end].tolist():
            if row not in following:
                del self._held[self._clip(row)]

    def waveform(self, clip: str) -> Waveform:
        """The samples of a clip that has been read.

        Raises:
            AudioError: it is broken.
        """
        return flac_waveform(self._held[clip], f"clip {clip!r} in a shard")
