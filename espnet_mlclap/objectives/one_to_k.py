"""Contrast clips with their captions in one language at a time, in all languages of a batch (KCL)."""

from typing import Any, Dict, List, Mapping, Tuple

import torch
from torch import Tensor

from espnet_mlclap.objectives.abs_loss import AbsLoss
from espnet_mlclap.objectives.contrastive import ContrastiveObjective
from espnet_mlclap.objectives.gather import gather_rows
from espnet_mlclap.objectives.pairs import MeanOfPairs, Pairs
from espnet_mlclap.utils.errors import UserError


class OneToKObjective(ContrastiveObjective):
    """The mean over languages of the loss that each would have by itself.

    What it optimises: a clip should find its caption in each language among those of this language, equally
    well in all of them. In a batch of a mixture, captions in other languages are negatives that are told
    apart by their language; here there are none. With `le_pairing: one_to_k`, every step sees a caption in
    all its K languages.

    One-to-K contrastive learning of ATRI (ACL 2025), from "each image with its K texts" (CLIP-like training
    for many languages). There every caption exists in every language and the mean is over languages. Where
    some translations are missing, each language contrasts those that it has, and every caption of the batch
    counts the same: with nothing missing that is the mean over languages.

    Args: those of `ContrastiveObjective`.

    Raises:
        UserError: a loss that compares captions in different languages with each other.
    """

    def __init__(self, *, loss: AbsLoss, **others: Any):
        if loss.between_languages:
            raise UserError(
                "loss_conf: language_weight compares captions in different languages, and objective: "
                "one_to_k looks at one language at a time. Set it to 0."
            )
        super().__init__(loss=loss, **others)

    def contrast(
        self, pairs: Pairs, batch: Mapping[str, Tensor]
    ) -> Tuple[Tensor, Dict[str, Tensor], int]:
        lang_index = batch["lang_index"]
        mean = MeanOfPairs()
        for lang in _of_all_ranks(lang_index):
            part = pairs.of_captions(lang_index == lang)
            mean.add(part.contrast(self.loss), len(part.text))
        return *mean.mean(), mean.count


def _of_all_ranks(numbers: Tensor) -> List[int]:
    """The different numbers of all ranks, each of which must call the loss as often as the others."""
    return torch.cat(gather_rows(numbers.unique())).unique().tolist()
