"""What ESPnet's trainer sees: an objective that holds a model and turns a batch into a loss."""

import logging
from abc import abstractmethod
from typing import Any, ClassVar, Dict, Mapping, Tuple

import torch
from espnet2.train.abs_espnet_model import AbsESPnetModel
from torch import Tensor

from espnet_mlclap.checkpoints.state_dict import LEARNT
from espnet_mlclap.models.frozen.towers import Kept
from espnet_mlclap.models.two_tower import TwoTowerModel
from espnet_mlclap.utils.errors import UserError


class AbsObjective(AbsESPnetModel):
    """A model with its loss and, where it has them, its teachers.

    What is saved as weights is the model, and what a loss has learnt (`loss.temperature`), for trainings that
    start from it.

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

    def _learnt(self) -> Dict[str, Tensor]:
        """Weights of the loss that are trained."""
        return {
            name: weight.data
            for name, weight in self.named_parameters()
            if name.startswith(LEARNT) and weight.requires_grad
        }

    def weights(self) -> Dict[str, Tensor]:
        """What is saved of an epoch."""
        return {**self.model.state_dict(), **self._learnt()}

    def start_from(self, learnt: Mapping[str, Tensor]) -> None:
        """Take what another training's loss has learnt, where this one's learns the same."""
        for name, value in self._learnt().items():
            if name in learnt and learnt[name].shape == value.shape:
                value.copy_(learnt[name])
                logging.info(
                    f"{name} starts at {learnt[name].tolist()}, as in the weights of init_param"
                )

    def take_kept(self) -> Dict[str, Kept]:
        """From now on batches hold what frozen towers made of clips or captions before (`--token_store`).

        Returns:
            What that is, by side.

        Raises:
            UserError: it cannot be kept, since the towers are trained.
        """
        raise UserError(
            f"token_store: {type(self).__name__} takes nothing that was kept. Leave token_store out."
        )

    def collect_feats(self, **batch: Any) -> Dict[str, torch.Tensor]:
        """ESPnet's statistics stage has nothing to collect here (lengths are known from stage 3)."""
        return {}
