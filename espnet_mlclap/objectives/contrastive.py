"""Contrast every caption of a batch with its clips, and every clip with its captions: ML-CLAP's training."""

from typing import Any, Dict, Tuple

import torch
from espnet2.torch_utils.device_funcs import force_gatherable
from torch import Tensor

from espnet_mlclap.models.two_tower import TwoTowerModel
from espnet_mlclap.objectives.abs_loss import AbsLoss
from espnet_mlclap.objectives.abs_objective import AbsObjective


class ContrastiveObjective(AbsObjective):
    """A two-tower model and a loss between the embeddings of its towers.

    Captions in all languages are treated alike: what is in the batch is contrasted with what is in the batch.

    Args:
        model: the two towers.
        loss: of the embeddings of a batch, such as `InfoNCELoss`.
    """

    reported = ("loss", "loss_t2a", "loss_a2t")

    def __init__(self, *, model: TwoTowerModel, loss: AbsLoss):
        super().__init__(model)
        self.loss = loss

    @property
    def needs(self) -> Tuple[str, ...]:
        return self.loss.needs

    def forward(
        self,
        audio: Tensor,
        audio_lengths: Tensor,
        text: Tensor,
        text_lengths: Tensor,
        clip_index: Tensor,
        **others: Any,
    ) -> Tuple[Tensor, Dict[str, Tensor], Tensor]:
        """Loss of a batch of U distinct clips and B captions.

        Args:
            audio, audio_lengths: clips, as in `TwoTowerModel.encode_audio`.
            text, text_lengths: captions, as in `TwoTowerModel.encode_text`.
            clip_index: [B] the row of `audio` that each caption belongs to.
            others: further tensors of the batch; the loss gets those that it needs.

        Returns:
            The loss, numbers to report, and B as the batch's weight.
        """
        embedded_audio = self.model.encode_audio(audio, audio_lengths)
        embedded_text = self.model.encode_text(text, text_lengths)
        needed = {name: others[name] for name in self.loss.needs}
        loss, stats = self.loss(embedded_audio, embedded_text, clip_index, **needed)
        weight = torch.tensor(float(text.shape[0]), device=text.device)
        # the trainer averages over ranks, for which everything must have one dimension
        return force_gatherable((loss, stats, weight), loss.device)
