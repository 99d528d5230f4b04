"""Sigmoid pair loss: every clip and caption of a batch are a pair or are not, each judged by itself.

Legend: U distinct clips, B captions, E width of the shared space; with several ranks U and B are this
rank's rows, the columns are those of all ranks.
"""

import math
from typing import Dict, Optional, Tuple

import torch
from torch import Tensor
from torch.nn.functional import softplus

from espnet_mlclap.objectives.abs_loss import AbsLoss, mean_of
from espnet_mlclap.objectives.gather import gather_rows, world_size
from espnet_mlclap.utils.errors import UserError


class SigmoidLoss(AbsLoss):
    """Binary cross entropy of all B x U pairs of captions and clips, summed over clips.

    What it optimises: the similarity of a caption and its clip should be above a threshold and that of any
    other pair below it. There is no softmax, so no pair depends on what else is in the batch. A clip counts
    once as a candidate, however many captions it has.

    X. Zhai et al., "Sigmoid Loss for Language Image Pre-Training", ICCV 2023 (arXiv:2303.15343), eq. 1: the
    logit of a pair is t (x . y) + b. With one caption per clip this is that loss.

    Args:
        temperature: 1 / t at the start (0.1 in the paper).
        bias: b at the start. Far below 0, as in the paper (-10), the many pairs that are none cost little in
            the first steps.
        learnable: train both along with the model (the paper does), log t in place of t; False: they stay.
        gather_across_ranks: with several ranks, judge pairs with the clips of all of them.

    Inputs: unit vectors. Similarities and loss are computed in float32, also under autocast.

    Example:
        >>> loss = SigmoidLoss()
        >>> value, stats = loss(audio, text, torch.tensor([0, 0, 1]))  # two clips, three captions

    Raises:
        UserError: a temperature that is not positive.
    """

    takes_groups = True

    def __init__(
        self,
        *,
        temperature: float = 0.1,
        bias: float = -10.0,
        learnable: bool = True,
        gather_across_ranks: bool = True,
    ):
        super().__init__()
        if temperature <= 0:
            raise UserError(f"loss_conf: temperature must be above 0, not {temperature}")
        scale = torch.tensor(-math.log(temperature))
        self.log_scale = torch.nn.Parameter(scale, requires_grad=learnable)
        self.bias = torch.nn.Parameter(torch.tensor(float(bias)), requires_grad=learnable)
        self.gather_across_ranks = gather_across_ranks

    def forward(
        self,
        audio: Tensor,
        text: Tensor,
        clip_index: Tensor,
        clip_group: Optional[Tensor] = None,
    ) -> Tuple[Tensor, Dict[str, Tensor]]:
        """Loss of a batch; see `AbsLoss.forward`.

        Args:
            clip_group: [U] int64, the same for rows of `audio` that are parts of one clip, of which all are
                pairs of its captions; None: every row is a clip of its own.
        """
        with torch.autocast(audio.device.type, enabled=False):
            audio, text = audio.float(), text.float()
            groups = torch.arange(len(audio), device=audio.device)
            groups = groups if clip_group is None else clip_group
            # which of this rank's rows each caption belongs to, [B, U]; of the others' rows to none
            own = groups[clip_index][:, None] == groups
            to_own, to_others = (
                self._logits(text, audio),
                self._logits(text, self._of_others(audio)),
            )
            positive = (softplus(-to_own) * own).sum(dim=1)
            negative = (softplus(to_own) * ~own).sum(dim=1) + softplus(to_others).sum(dim=1)
            loss = mean_of(positive + negative)
        return loss, {
            "loss": loss.detach(),
            "loss_positive": mean_of(positive).detach(),
            "loss_negative": mean_of(negative).detach(),
            "temperature": (-self.log_scale).exp().detach(),
            "bias": self.bias.detach().clone(),
        }

    def _logits(self, text: Tensor, audio: Tensor) -> Tensor:
        return self.log_scale.exp() * text @ audio.T + self.bias

    def _of_others(self, audio: Tensor) -> Tensor:
        """Clips of the other ranks, [V, E]."""
        if not self.gather_across_ranks or world_size() == 1:
            return audio[:0]
        parts = gather_rows(audio)
        rank = torch.distributed.get_rank()
        return torch.cat([part for number, part in enumerate(parts) if number != rank])
