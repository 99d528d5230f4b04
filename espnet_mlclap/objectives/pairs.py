"""Embeddings of a batch and parts of them, as a loss sees them."""

from dataclasses import dataclass, field
from typing import Dict, List, Mapping, Tuple

import torch
from torch import Tensor

from espnet_mlclap.objectives.abs_loss import AbsLoss

# Tensors of a batch with a row per clip; the others have one per caption.
_OF_CLIPS = ("clip_words", "teacher_audio")


@dataclass(frozen=True)
class Pairs:
    """U rows of clips (or of what takes their place) and B captions that belong to them.

    Attributes:
        audio: [U, E].
        text: [B, E].
        clip_index: [B] row of `audio` that each caption belongs to.
        needed: further tensors that the loss takes, by name.
    """

    audio: Tensor
    text: Tensor
    clip_index: Tensor
    needed: Mapping[str, Tensor] = field(default_factory=dict)

    def of_captions(self, chosen: Tensor) -> "Pairs":
        """Some of the captions with their clips, as if the batch held nothing else.

        Args:
            chosen: [B] bool.
        """
        clips, clip_index = self.clip_index[chosen].unique(return_inverse=True)
        return Pairs(self.audio[clips], self.text[chosen], clip_index, self.rows(clips, chosen))

    def of_texts(self, anchors: Tensor, others: Tensor, anchor_index: Tensor) -> "Pairs":
        """Captions in the place of clips, and other captions that say the same.

        Args:
            anchors: [A] rows of `text` that take the place of clips.
            others: [O] rows of `text`.
            anchor_index: [O] which of the anchors each of the others belongs to.
        """
        needed = self.rows(self.clip_index[anchors], others)
        if (
            "teacher_audio" in needed
        ):  # what teachers think of the captions that take the clips' place
            needed["teacher_audio"] = self.needed["teacher_text"][anchors]
        return Pairs(self.text[anchors], self.text[others], anchor_index, needed)

    def rows(self, clips: Tensor, captions: Tensor) -> Dict[str, Tensor]:
        """`needed` of these clips and captions."""
        return {
            name: tensor[clips if name in _OF_CLIPS else captions]
            for name, tensor in self.needed.items()
        }

    def contrast(self, loss: AbsLoss, **more: Tensor) -> Tuple[Tensor, Dict[str, Tensor]]:
        """The loss, and the numbers that it reports."""
        return loss(self.audio, self.text, self.clip_index, **self.needed, **more)


class MeanOfPairs:
    """The mean of losses of several parts of a batch, in which every pair counts the same."""

    def __init__(self) -> None:
        self.losses: List[Tensor] = []
        self._stats: List[Dict[str, Tensor]] = []
        self._counts: List[int] = []

    def add(self, result: Tuple[Tensor, Dict[str, Tensor]], count: int) -> None:
        """Take in a part: its loss with the numbers to report, and its number of pairs on this rank."""
        self.losses.append(result[0])
        self._stats.append(result[1])
        self._counts.append(count)

    @property
    def count(self) -> int:
        """Pairs of all parts."""
        return sum(self._counts)

    def mean(self) -> Tuple[Tensor, Dict[str, Tensor]]:
        """The loss and the numbers to report that all parts have."""
        names = [name for name in self._stats[0] if all(name in part for part in self._stats)]
        stats = {name: self._weighted([part[name] for part in self._stats]) for name in names}
        return self._weighted(self.losses), stats

    def _weighted(self, values: List[Tensor]) -> Tensor:
        shares = torch.tensor(self._counts, dtype=values[0].dtype, device=values[0].device)
        return (torch.stack(values) * shares).sum() / max(self.count, 1)
