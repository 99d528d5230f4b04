"""An epoch that reads shards from front to back: the same captions as of its plan, in another order.

The epoch's shards are put one after the other in an order that it draws, and what was drawn for the epoch is
sorted by where it stands in them. This row is cut into equally long lanes, one for each data worker of each
rank, so that each worker reads its own part of the corpus, once and forwards; two read a shard that is cut.

A lane is read in windows of so many captions (the buffer). Those of a window are shuffled and put into
batches as the plan does it with all of them: by buckets of similar length, within the limits of its settings.
So the clips of a batch stand within a window of each other; which clips do so in shards, stage 3 has drawn by
a hash of their ids. A rank's batch is its share of a batch of the settings; all ranks have as many.

Everything follows from the plan's seed, the epoch and the numbers of ranks and workers: no file is looked at.
"""

from typing import List, NamedTuple

import numpy as np

from espnet_mlclap.fileio.shard_places import ShardPlaces
from espnet_mlclap.iterators.epoch import Epoch
from espnet_mlclap.iterators.epoch_plan import EpochPlan
from espnet_mlclap.utils.errors import UserError

READINGS = ("random", "sequential")  # each clip where it is, or shards from front to back


class Window(NamedTuple):
    """Batches of what is read together.

    Attributes:
        clips: rows of the clips in the order in which they are read, [m].
        batches: places in what was drawn, by batch.
    """

    clips: np.ndarray
    batches: List[np.ndarray]


Lane = List[Window]


class LanePlan:
    """Cuts the epochs of a plan into lanes.

    Args:
        plan: what each epoch consists of.
        places: where the plan's clips are.
        buffer: captions (with another pairing than "mixture", originals) in a window.
        workers: lanes of each rank.

    Raises:
        UserError: a buffer that does not hold a batch.
    """

    def __init__(self, plan: EpochPlan, places: ShardPlaces, *, buffer: int, workers: int = 1):
        if buffer < plan.options.batch_size:
            raise UserError(
                f"reading_buffer: {buffer} does not hold a batch of {plan.options.batch_size}. Raise it."
            )
        self.plan = plan
        self.places = places
        self._buffer = buffer
        self._workers = max(1, workers)

    def lanes(self, drawn: Epoch, epoch: int, rank: int = 0, world_size: int = 1) -> List[Lane]:
        """The lanes of one rank, of each worker one; some may be empty.

        Args:
            drawn: the plan's `epoch(epoch)`.
            epoch: from 1.
            rank, world_size: this process among those that train together.

        Raises:
            UserError: there are too few clips for that many ranks.
        """
        row = self._in_reading_order(drawn.clips, epoch)
        workers = self._busy_workers(len(row), world_size)
        lanes: List[Lane] = []
        for worker in range(workers):
            numbers = [one * workers + worker for one in range(world_size)]
            most = self._most_batches(drawn, row, numbers, epoch, workers)
            lane = self._lane(drawn, row, numbers[rank], epoch, workers, world_size)
            lanes.append(_with_batches(lane, most, drawn.clips))
        return lanes

    def count_batches(self, epoch: int, world_size: int = 1) -> int:
        """Number of batches of each rank."""
        drawn = self.plan.epoch(epoch)
        row = drawn.clips  # where they stand does not matter to their number
        if self.plan.options.batch_length is not None:
            row = self._in_reading_order(drawn.clips, epoch)
        workers = self._busy_workers(len(row), world_size)
        return sum(
            self._most_batches(
                drawn, row, [rank * workers + worker for rank in range(world_size)], epoch, workers
            )
            for worker in range(workers)
        )

    def _in_reading_order(self, clips: np.ndarray, epoch: int) -> np.ndarray:
        """Places in what was drawn, [n]."""
        generator = np.random.default_rng([self.plan.options.seed, epoch, 0])
        turn = generator.permutation(len(self.places.files))
        return np.lexsort((self.places.offset[clips], turn[self.places.shard[clips]]))

    def _busy_workers(self, count: int, world_size: int) -> int:
        """Workers for whom there is a batch each."""
        return max(
            1, min(self._workers, count // max(self.plan.options.batch_size, 2 * world_size))
        )

    def _batch_size(self, world_size: int) -> int:
        return max(1, round(self.plan.options.batch_size / world_size))

    def _most_batches(
        self, drawn: Epoch, row: np.ndarray, numbers: List[int], epoch: int, workers: int
    ) -> int:
        """The most batches that one of some lanes has."""
        world_size = len(numbers)
        if self.plan.options.batch_length is None:
            ends = _ends(len(row), workers * world_size)
            longest = max(ends[number + 1] - ends[number] for number in numbers)
            return -(-longest // self._batch_size(world_size))
        lanes = (self._lane(drawn, row, number, epoch, workers, world_size) for number in numbers)
        return max(sum(len(window.batches) for window in lane) for lane in lanes)

    def _lane(
        self, drawn: Epoch, row: np.ndarray, number: int, epoch: int, workers: int, world_size: int
    ) -> Lane:
        ends = _ends(len(row), workers * world_size)
        places = row[ends[number] : ends[number + 1]]
        generator = np.random.default_rng([self.plan.options.seed, epoch, 1 + number])
        size = self._batch_size(world_size)
        batches = -(-len(places) // size)
        windows = max(1, -(-batches // -(-self._buffer // size)))
        lane = []
        for inside in np.split(
            places, [size * (batches * one // windows) for one in range(1, windows)]
        ):
            clips = drawn.clips[inside]
            first = np.sort(np.unique(clips, return_index=True)[1])
            cut = self.plan.cut(clips, generator, share=world_size)
            lane.append(Window(clips[first], [inside[batch] for batch in cut]))
        return lane


def _ends(count: int, lanes: int) -> np.ndarray:
    """Where lanes of equal length begin, and where the last ends, [lanes + 1]."""
    return np.arange(lanes + 1) * count // lanes


def _with_batches(lane: Lane, count: int, clips: np.ndarray) -> Lane:
    """A lane of so many batches: where there are fewer, the largest are halved, between clips.

    Raises:
        UserError: that is not possible.
    """
    lane = [Window(window.clips, list(window.batches)) for window in lane]
    for _ in range(count - sum(len(window.batches) for window in lane)):
        sizes = [
            (len(np.unique(clips[batch])), len(batch), one, place)
            for one, window in enumerate(lane)
            for place, batch in enumerate(window.batches)
        ]
        most, _, one, place = max(sizes, default=(0, 0, 0, 0))
        if most < 2:
            raise UserError(
                f"an epoch has captions of {len(np.unique(clips))} clips, too few for that many ranks. Train "
                "with fewer GPUs (--ngpu)."
            )
        batch = lane[one].batches[place]
        batch = batch[np.argsort(clips[batch], kind="stable")]
        middle = np.searchsorted(clips[batch], np.unique(clips[batch])[most // 2])
        lane[one].batches[place : place + 1] = [batch[:middle], batch[middle:]]
    return lane
