"""What an encoder gives: features of the positions of each clip or caption, before anything is pooled.

Shape letters: n clips or captions, t tokens of the longest of them, d width.
"""

from typing import NamedTuple, Optional

import torch
from torch import Tensor


class Tokens(NamedTuple):
    """Token features of a batch.

    Attributes:
        values: [n, t, d] float; arbitrary where `mask` is False.
        mask: [n, t] bool, True for real tokens; None where all are.
        segment: [n, t] int64, from 0: the piece of its clip that each token belongs to, where the encoder
            works on long clips piece by piece; None where each is one piece.
    """

    values: Tensor
    mask: Optional[Tensor] = None
    segment: Optional[Tensor] = None

    def mean(self) -> Tensor:
        """Mean over the real tokens of each clip or caption, in float32: [n, d]."""
        values = self.values.float()
        if self.mask is None:
            return values.mean(dim=1)
        total = values.masked_fill(~self.mask.unsqueeze(2), 0.0).sum(dim=1)
        return total / self.mask.sum(dim=1, keepdim=True)

    def real(self, row: int) -> Tensor:
        """The real tokens of one clip or caption: [its tokens, d]."""
        return self.values[row] if self.mask is None else self.values[row][self.mask[row]]


def length_mask(lengths: Tensor, longest: int) -> Tensor:
    """[n] lengths -> [n, longest] bool, True for the first `lengths` positions of each row."""
    return torch.arange(longest, device=lengths.device) < lengths.unsqueeze(1)
