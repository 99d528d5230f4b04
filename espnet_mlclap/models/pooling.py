"""From the tokens of a clip or caption to one vector.

A pooling is a class of its own, so that it can be exchanged (`audio_pooling`, `text_pooling`) without the
encoder, and so that what needs tokens (co-attention) takes them from the same encoder.
"""

from abc import ABC, abstractmethod
from typing import Tuple

import torch
from torch import Tensor

from espnet_mlclap.models.tokens import Tokens


class AbsPooling(torch.nn.Module, ABC):
    """Tokens to vectors.

    Args:
        input_size: width D of the tokens.
    """

    def __init__(self, *, input_size: int):
        super().__init__()
        self.input_size = input_size

    def output_size(self) -> int:
        """Width of the vectors; that of the tokens unless a class says otherwise."""
        return self.input_size

    @abstractmethod
    def forward(self, tokens: Tokens) -> Tensor:
        """[n, t, D] tokens -> [n, output_size] float32, each row from its own real tokens alone."""


class MeanPooling(AbsPooling):
    """The mean of all tokens; over all pieces of a clip that is encoded in pieces."""

    def forward(self, tokens: Tokens) -> Tensor:
        return tokens.mean()


class FirstPooling(AbsPooling):
    """The first token: which BERT and similar models train to represent the sentence."""

    def forward(self, tokens: Tokens) -> Tensor:
        return tokens.values[:, 0].float()


class FirstDensePooling(FirstPooling):
    """The first token, a linear map and tanh: what BERT and RoBERTa call their pooler, and CLAP projects."""

    def __init__(self, *, input_size: int):
        super().__init__(input_size=input_size)
        self.dense = torch.nn.Linear(input_size, input_size)

    def forward(self, tokens: Tokens) -> Tensor:
        return torch.tanh(self.dense(super().forward(tokens)))


class MaxOfSegmentsPooling(AbsPooling):
    """The largest value, over the pieces of a clip, of the mean of each piece's tokens."""

    def forward(self, tokens: Tokens) -> Tensor:
        if tokens.segment is None:
            return tokens.mean()
        means, counts = segment_means(tokens)
        return means.masked_fill((counts == 0).unsqueeze(2), -torch.inf).amax(dim=1)


def segment_means(tokens: Tokens) -> Tuple[Tensor, Tensor]:
    """Mean of each piece's tokens.

    Args:
        tokens: with `segment`.

    Returns:
        [n, pieces, D] float32, and [n, pieces] float32: the number of tokens of each piece, 0 where a clip
        has no such piece.
    """
    pieces = int(tokens.segment.max()) + 1
    belongs = torch.nn.functional.one_hot(tokens.segment, pieces).to(
        torch.float32
    )  # [n, t, pieces]
    values = tokens.values.float()
    if tokens.mask is not None:
        belongs = belongs * tokens.mask.unsqueeze(2)
        values = values.masked_fill(~tokens.mask.unsqueeze(2), 0.0)
    counts = belongs.sum(dim=1)  # [n, pieces]
    with torch.autocast(values.device.type, enabled=False):
        totals = belongs.transpose(1, 2) @ values
    return totals / counts.clamp(min=1.0).unsqueeze(2), counts
