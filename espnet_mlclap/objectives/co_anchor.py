"""Hold together a clip, its caption, and the same caption in another language (CACL)."""

from typing import Dict, Mapping, Tuple

import torch
from torch import Tensor

from espnet_mlclap.objectives.contrastive import ContrastiveObjective
from espnet_mlclap.objectives.pairs import MeanOfPairs, Pairs


class CoAnchorObjective(ContrastiveObjective):
    """The mean of three losses: clips and originals, clips and translations, originals and translations.

    What it optimises: a clip is near its caption, in the language of its author (the anchor) and in another
    one, and the two are near each other. With `le_pairing: co_anchor`, a step sees one translation of each
    original, in a language that each epoch draws: it needs the memory of two languages, however many there
    are. The anchor is a caption as its author wrote it, in whatever language.

    Co-anchor contrastive learning of ATRI (ACL 2025). In the third loss an original is in the place of a
    clip. Captions of the same clip are no negatives of each other there: as between clips and captions, the
    target is spread over them (where the loss can be told so; `InfoNCELoss` and `SigmoidLoss` can,
    `SameWordsInfoNCELoss` knows by the words). Where an original has no translation in the batch it takes
    part in the first loss alone, and every pair of the three losses counts the same: with nothing missing
    that is the mean of the three.

    Args: those of `ContrastiveObjective`.
    """

    reported = (*ContrastiveObjective.reported, "loss_anchor", "loss_other", "loss_between")

    def contrast(
        self, pairs: Pairs, batch: Mapping[str, Tensor]
    ) -> Tuple[Tensor, Dict[str, Tensor], int]:
        is_source = batch["is_source"]
        mean = MeanOfPairs()
        for chosen in (is_source, ~is_source):
            part = pairs.of_captions(chosen)
            mean.add(part.contrast(self.loss), len(part.text))
        anchors, others, anchor_index = _same_source(batch["source_index"], is_source)
        between = pairs.of_texts(anchors, others, anchor_index)
        groups = {"clip_group": pairs.clip_index[anchors]} if self.loss.takes_groups else {}
        mean.add(between.contrast(self.loss, **groups), len(others))
        loss, stats = mean.mean()
        for name, value in zip(("loss_anchor", "loss_other", "loss_between"), mean.losses):
            stats[name] = value.detach()
        return loss, stats, mean.count


def _same_source(source_index: Tensor, is_source: Tensor) -> Tuple[Tensor, Tensor, Tensor]:
    """Originals that have a translation in the batch, the translations, and whose each is.

    Args:
        source_index: [B] the same for captions that say the same.
        is_source: [B] bool.

    Returns:
        [A] and [O] rows of the batch, [O] positions in the first.
    """
    rows = torch.arange(len(source_index), device=source_index.device)
    same = (
        source_index[:, None] == source_index
    ) & is_source  # [B, B]: which originals a caption has
    has_original = ~is_source & same.any(dim=1)
    others = rows[has_original]
    # of an original that is in the batch twice, the first
    anchors, anchor_index = same[others].int().argmax(dim=1).unique(return_inverse=True)
    return anchors, others, anchor_index
