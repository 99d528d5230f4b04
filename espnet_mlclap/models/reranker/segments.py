"""Neighbouring tokens as one: fewer tokens for co-attention to look at.

Legend: n clips, t tokens, w windows, d width.
"""

import torch
from torch import Tensor

from espnet_mlclap.models.tokens import Tokens, length_mask


def mean_of_neighbours(tokens: Tokens, number: int) -> Tokens:
    """The mean of each `number` real tokens that follow each other; at the end, of as many as there are.

    What stands between real tokens is left out first, so that windows do not depend on padding.

    Args:
        tokens: [n, t, d].
        number: 1 or more; 1 gives the tokens as they are.

    Returns:
        [n, w, d] float32, without `segment`.
    """
    if number == 1:
        return Tokens(tokens.values, tokens.mask)
    values, lengths = _to_the_front(tokens)
    rest = -values.shape[1] % number
    values = torch.nn.functional.pad(values, (0, 0, 0, rest)).unflatten(1, (-1, number))
    starts = torch.arange(values.shape[1], device=values.device) * number
    counts = (lengths[:, None] - starts).clamp(0, number)  # [n, w]
    means = values.sum(dim=2) / counts.clamp(min=1)[:, :, None]
    return Tokens(means, length_mask((lengths + number - 1) // number, means.shape[1]))


def _to_the_front(tokens: Tokens) -> tuple[Tensor, Tensor]:
    """Real tokens first in their order, then zeros: [n, t, d] float32; and how many are real, [n]."""
    values = tokens.values.float()
    if tokens.mask is None:
        return values, torch.full((len(values),), values.shape[1], device=values.device)
    order = torch.argsort(~tokens.mask, dim=1, stable=True)
    values = values.masked_fill(~tokens.mask.unsqueeze(2), 0.0)
    values = values.gather(1, order.unsqueeze(2).expand_as(values))
    lengths = tokens.mask.sum(dim=1)
    return values[:, : int(lengths.max())], lengths
