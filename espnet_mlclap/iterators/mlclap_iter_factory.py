"""ESPnet iterator factory: training batches drawn again each epoch, read clip by clip or shard by shard."""

import logging
from typing import Callable, Optional

from espnet2.iterators.abs_iter_factory import AbsIterFactory
from torch.utils.data import DataLoader, Dataset

from espnet_mlclap.iterators.epoch_plan import EpochPlan
from espnet_mlclap.iterators.lanes import LanePlan
from espnet_mlclap.iterators.shard_stream import ShardStream


class EpochPlanIterFactory(AbsIterFactory):
    """The batches of an epoch plan, for this rank.

    Args:
        plan: what each epoch consists of.
        dataset: indexed by `ClipCaptions`.
        lanes: to read shards from front to back; the dataset then only makes items of what was read
            (`of_waveform`). None: each clip is read where it is.
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
        lanes: Optional[LanePlan] = None,
        num_workers: int = 0,
        pin_memory: bool = False,
        rank: int = 0,
        world_size: int = 1,
    ):
        self.plan = plan
        self.dataset = dataset
        self.collate_fn = collate_fn
        self.lanes = lanes
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
        plan = self.plan if self.lanes is None else self.lanes
        return sum(
            plan.count_batches(epoch, self.world_size) // accum_grad
            for epoch in range(1, epochs + 1)
        )

    def build_iter(self, epoch: int, shuffle: bool = True) -> DataLoader:
        """Loader of the batches of `epoch` (from 1)."""
        counts = self.plan.count(epoch)
        shown = ", ".join(f"{lang} {number}" for lang, number in counts.items())
        logging.info(f"epoch {epoch}: {sum(counts.values())} captions ({shown})")
        if self.lanes is not None:
            return DataLoader(
                self._stream(epoch, self.lanes),
                batch_size=None,
                num_workers=self.num_workers,
                pin_memory=self.pin_memory,
            )
        return DataLoader(
            self.dataset,
            batch_sampler=self.plan.batches(epoch, self.rank, self.world_size),
            collate_fn=self.collate_fn,
            num_workers=self.num_workers,
            pin_memory=self.pin_memory,
        )

    def _stream(self, epoch: int, lanes: LanePlan) -> ShardStream:
        drawn = self.plan.epoch(epoch)
        return ShardStream(
            lanes=lanes.lanes(drawn, epoch, self.rank, self.world_size),
            drawn=drawn,
            clip_ids=self.plan.lengths.ids,
            places=lanes.places,
            make_item=self.dataset.of_waveform,
            collate_fn=self.collate_fn,
        )
