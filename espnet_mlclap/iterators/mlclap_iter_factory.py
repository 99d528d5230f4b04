"""ESPnet iterator factory: training batches drawn again each epoch."""

import logging
from typing import Callable

from espnet2.iterators.abs_iter_factory import AbsIterFactory
from torch.utils.data import DataLoader, Dataset

from espnet_mlclap.iterators.epoch_plan import EpochPlan


class EpochPlanIterFactory(AbsIterFactory):
    """The batches of an epoch plan, for this rank.

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

    def count_steps(self, epochs: int, accum_grad: int = 1) -> int:
        """Steps of the optimiser in the first `epochs` epochs.

        Args:
            epochs: how many.
            accum_grad: batches per step; those that are left over at the end of an epoch make no step.
        """
        return sum(
            self.plan.count_batches(epoch, self.world_size) // accum_grad
            for epoch in range(1, epochs + 1)
        )

    def build_iter(self, epoch: int, shuffle: bool = True) -> DataLoader:
        """Loader of the batches of `epoch` (from 1)."""
        counts = self.plan.count(epoch)
        shown = ", ".join(f"{lang} {number}" for lang, number in counts.items())
        logging.info(f"epoch {epoch}: {sum(counts.values())} captions ({shown})")
        return DataLoader(
            self.dataset,
            batch_sampler=self.plan.batches(epoch, self.rank, self.world_size),
            collate_fn=self.collate_fn,
            num_workers=self.num_workers,
            pin_memory=self.pin_memory,
        )
