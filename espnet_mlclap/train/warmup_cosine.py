"""Learning rate: linear warm-up, then half a cosine down to nothing, or to a floor on which it stays."""

import math
from typing import Any, Callable, Dict, List, Optional

from espnet2.schedulers.abs_scheduler import AbsBatchStepScheduler
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from espnet_mlclap.utils.errors import UserError


class WarmupCosineLR(LRScheduler, AbsBatchStepScheduler):
    """The peak is the optimiser's learning rate.

    ESPnet builds schedulers before it knows the data, and how many steps there are depends on the data:
    the trainer tells by `set_steps` before the first step. (Not a `LambdaLR`, because ESPnet moves these at
    the end of an epoch as well.)

    Args:
        optimizer: the optimiser.
        warmup_steps: steps in which the rate rises from nothing to the peak.
        warmup_epochs: the same in epochs; one of the two.
        final_ratio: rate at the end of the cosine, as a share of the peak.
        final_epoch: the cosine ends with this epoch, after which the rate stays; None: with the last.

    Raises:
        UserError: a value that makes no schedule.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        warmup_steps: int = 0,
        warmup_epochs: int = 0,
        final_ratio: float = 0.0,
        final_epoch: Optional[int] = None,
        last_epoch: int = -1,
    ):
        if min(warmup_steps, warmup_epochs) < 0 or not 0.0 <= final_ratio <= 1.0:
            raise UserError(
                "scheduler_conf: warmup_steps and warmup_epochs must be 0 or more, final_ratio in [0, 1]"
            )
        if warmup_steps and warmup_epochs:
            raise UserError("scheduler_conf: give warmup_steps or warmup_epochs, not both")
        if final_epoch is not None and final_epoch <= warmup_epochs:
            raise UserError("scheduler_conf: final_epoch must come after the warm-up")
        self.warmup_steps = warmup_steps
        self.warmup_epochs = warmup_epochs
        self.final_ratio = final_ratio
        self.final_epoch = final_epoch
        self._total_steps: Optional[int] = None
        super().__init__(optimizer, last_epoch)

    def set_steps(self, count_steps: Callable[[int], int], max_epoch: int) -> None:
        """Say how many steps there are.

        Args:
            count_steps: steps of the first so many epochs.
            max_epoch: the last one of the training.
        """
        self._total_steps = count_steps(self.final_epoch or max_epoch)
        if self.warmup_epochs:
            self.warmup_steps = count_steps(self.warmup_epochs)
            for group, rate in zip(self.optimizer.param_groups, self.get_lr()):
                group["lr"] = rate  # of the first step, which was not known before

    def get_lr(self) -> List[float]:
        """Rate of each group of parameters at this step.

        Raises:
            RuntimeError: a step after the warm-up, before `set_steps`.
        """
        return [peak * self._factor(self.last_epoch) for peak in self.base_lrs]

    def _factor(self, step: int) -> float:
        """Share of the peak at `step` (from 0)."""
        if step < self.warmup_steps:
            return (step + 1) / self.warmup_steps
        if self._total_steps is None:
            if step > 0:
                raise RuntimeError("WarmupCosineLR: set_steps must be called before training")
            return 1.0
        span = max(1, self._total_steps - self.warmup_steps)
        done = min(1.0, (step - self.warmup_steps) / span)
        return self.final_ratio + (1.0 - self.final_ratio) * (1.0 + math.cos(math.pi * done)) / 2.0

    def state_dict(self) -> Dict[str, Any]:
        """Steps done; the rest follows from the configuration."""
        return {"last_epoch": self.last_epoch, "_last_lr": self.get_last_lr()}

    def load_state_dict(self, state_dict: Dict[str, Any]) -> None:
        self.last_epoch = state_dict["last_epoch"]
        self._last_lr = state_dict["_last_lr"]
