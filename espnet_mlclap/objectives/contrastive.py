"""Contrast every caption of a batch with its clips, and every clip with its captions: ML-CLAP's training."""

from typing import Any, Dict, Mapping, Optional, Tuple, Union

import torch
from espnet2.torch_utils.device_funcs import force_gatherable
from torch import Tensor

from espnet_mlclap.models.frozen.towers import Kept, vectors_of_captions
from espnet_mlclap.models.reranker.pair_model import CoAttentionModel
from espnet_mlclap.models.two_tower import TwoTowerModel
from espnet_mlclap.objectives.abs_loss import AbsLoss
from espnet_mlclap.objectives.abs_objective import AbsObjective
from espnet_mlclap.objectives.gradient_cache import GradientCache
from espnet_mlclap.objectives.pairs import Pairs
from espnet_mlclap.utils.errors import UserError


class ContrastiveObjective(AbsObjective):
    """A two-tower model and a loss between the embeddings of its towers.

    Captions in all languages are treated alike: what is in the batch is contrasted with what is in the batch.

    Args:
        model: the two towers.
        loss: of the embeddings of a batch, such as `InfoNCELoss`.
        gradient_cache_chunk: clips, or captions, that are embedded at a time, for batches that memory would
            not hold at once (see `gradient_cache`); None: the whole batch.

    Raises:
        UserError: a model of pairs, whose scores nothing would be learnt about.
    """

    reported = ("loss", "loss_t2a", "loss_a2t")

    def __init__(
        self,
        *,
        model: TwoTowerModel,
        loss: AbsLoss,
        gradient_cache_chunk: Optional[int] = None,
    ):
        super().__init__(model)
        if isinstance(model, CoAttentionModel):
            raise UserError(
                "objective: contrasts embeddings, and model: co_attention scores pairs. Take objective: "
                "pair_scoring."
            )
        self.loss = loss
        self._cache: Optional[GradientCache] = None
        if gradient_cache_chunk is not None:
            self._cache = GradientCache(model, gradient_cache_chunk)
        self._text_is_kept = False

    def take_kept(self) -> Dict[str, Kept]:
        """From now on batches hold the vectors of captions, [B, 1, D], before the projection."""
        kept = vectors_of_captions(self.model)
        self._text_is_kept = True
        return kept

    @property
    def towers(self) -> Union[TwoTowerModel, GradientCache]:
        """What embeds clips and captions."""
        return self._cache or self.model

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
            text, text_lengths: captions, as in `TwoTowerModel.encode_text`, or after `take_kept`.
            clip_index: [B] the row of `audio` that each caption belongs to.
            others: further tensors of the batch; the loss gets those that it needs.

        Returns:
            The loss, numbers to report, and the number of pairs as the batch's weight: B.
        """
        pairs = Pairs(
            self.towers.encode_audio(audio, audio_lengths),
            self._encode_text(text, text_lengths),
            clip_index,
            {name: others[name] for name in self.loss.needs},
        )
        loss, stats, count = self.contrast(pairs, others)
        weight = torch.tensor(float(count), device=text.device)
        # the trainer averages over ranks, for which everything must have one dimension
        return force_gatherable((loss, stats, weight), loss.device)

    def _encode_text(self, text: Tensor, text_lengths: Tensor) -> Tensor:
        if self._text_is_kept:
            return self.model.project_text(text.squeeze(1))
        return self.towers.encode_text(text, text_lengths)

    def contrast(
        self, pairs: Pairs, batch: Mapping[str, Tensor]
    ) -> Tuple[Tensor, Dict[str, Tensor], int]:
        """What is contrasted with what.

        Args:
            pairs: the embeddings of a batch.
            batch: its further tensors.

        Returns:
            The loss, numbers to report, and the number of pairs of this rank that the loss is a mean of.
        """
        return *pairs.contrast(self.loss), len(pairs.text)
