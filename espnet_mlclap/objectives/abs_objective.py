"""What ESPnet's trainer sees: an objective that holds a model and turns a batch into a loss."""

from abc import abstractmethod
from typing import Any, ClassVar, Dict, Tuple

import torch
from espnet2.train.abs_espnet_model import AbsESPnetModel
from torch import Tensor

from espnet_mlclap.models.two_tower import TwoTowerModel


class AbsObjective(AbsESPnetModel):
    """A model with its loss and, where it has them, its teachers. Only `model` is saved.

    Attributes:
        model: what is trained.
        reported: names of the numbers that `forward` reports in every batch.
    """

    reported: ClassVar[Tuple[str, ...]] = ("loss",)

    def __init__(self, model: TwoTowerModel):
        super().__init__()
        self.model = model

    @property
    def needs(self) -> Tuple[str, ...]:
        """Names of tensors that a batch has only where they are asked for: the vectors of teachers."""
        return ()

    @abstractmethod
    def forward(self, **batch: Any) -> Tuple[Tensor, Dict[str, Tensor], Tensor]:
        """Loss of a batch.

        Args:
            batch: tensors by name, as `espnet_mlclap.train.collate_fn` makes and describes them.

        Returns:
            The loss (a scalar that is averaged over ranks), numbers to report by name, and the batch's
            weight in an epoch's averages: its number of captions.
        """

    def collect_feats(self, **batch: Any) -> Dict[str, torch.Tensor]:
        """ESPnet's statistics stage has nothing to collect here (lengths are known from stage 3)."""
        return {}
