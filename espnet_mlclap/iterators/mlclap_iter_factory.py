"""ESPnet iterator factories: training batches drawn anew each epoch, validation clip by clip."""

import logging
from typing import Callable, List, Sequence

from espnet2.iterators.abs_iter_factory import AbsIterFactory
from torch.utils.data import DataLoader, Dataset

from espnet_mlclap.iterators.epoch_plan import Batch, ClipCaptions, EpochPlan


class EpochPlanIterFactory(AbsIterFactory):
    """Training: the batches of an epoch plan, for this rank.

    Args:
        plan: what each epoch consists of.
        dataset: indexed by `ClipCaptions`.
        collate_fn: items to a batch.
        num_workers: data loading processes.
        rank, world_size: this process among those that train together.
    """

    def __init__(
        self,
        *,
        plan: EpochPlan,
        dataset: Dataset,
        collate_fn: Callable,
        num_workers: int = 0,
        pin_memory: bool = False,
        rank: int = 0,
        world_size: int = 1,
    ):
        self.plan = plan
        self.dataset = dataset
        self.collate_fn = collate_fn
        self.num_workers = num_workers
        self.pin_memory = pin_memory
        self.rank = rank
        self.world_size = world_size

    def count_batches(self, epochs: int) -> int:
        """Batches in the first `epochs` epochs."""
        return sum(
            len(self.plan.batches(epoch, self.rank, self.world_size))
            for epoch in range(1, epochs + 1)
        )

    def build_iter(self, epoch: int, shuffle: bool = True) -> DataLoader:
        """Loader of the batches of `epoch` (from 1)."""
        counts = self.plan.count(epoch)
        shown = ", ".join(f"{lang} {number}" for lang, number in counts.items())
        logging.info(f"epoch {epoch}: {sum(counts.values())} captions ({shown})")
        batches = self.plan.batches(epoch, self.rank, self.world_size)
        return _loader(self.dataset, batches, self.collate_fn, self.num_workers, self.pin_memory)


class WholeSetIterFactory(AbsIterFactory):
    """Validation: every clip once, with all of its captions, in batches of clips of like length.

    Args:
        clips: clips with all of their captions.
        lengths: length of each of `clips`, in any one unit.
        batch_size: captions in a batch, about.
    """

    def __init__(
        self,
        *,
        clips: Sequence[ClipCaptions],
        lengths: Sequence[float],
        dataset: Dataset,
        collate_fn: Callable,
        batch_size: int,
        num_workers: int = 0,
        pin_memory: bool = False,
    ):
        self.dataset = dataset
        self.collate_fn = collate_fn
        self.num_workers = num_workers
        self.pin_memory = pin_memory
        self.batches: List[Batch] = []
        count = batch_size
        for _, item in sorted(zip(lengths, clips), key=lambda pair: (-pair[0], pair[1].clip)):
            if count + len(item.captions) > batch_size:
                self.batches.append([])
                count = 0
            self.batches[-1].append(item)
            count += len(item.captions)

    def build_iter(self, epoch: int, shuffle: bool = False) -> DataLoader:
        """Loader of the whole set; the same in every epoch."""
        return _loader(
            self.dataset, self.batches, self.collate_fn, self.num_workers, self.pin_memory
        )


def _loader(
    dataset: Dataset, batches: List[Batch], collate_fn: Callable, num_workers: int, pin_memory: bool
) -> DataLoader:
    return DataLoader(
        dataset,
        batch_sampler=batches,
        collate_fn=collate_fn,
        num_workers=num_workers,
        pin_memory=pin_memory,
    )
