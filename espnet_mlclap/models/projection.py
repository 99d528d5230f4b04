"""From an encoder's vector to the space that audio and text share."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor


class AbsProjection(torch.nn.Module, ABC):
    """Vectors of an encoder's width to vectors of the shared width; constructed with both widths.

    A subclass takes `input_size` and `output_size` by keyword, and further settings of its own.
    """

    @abstractmethod
    def forward(self, encoded: Tensor) -> Tensor:
        """[n, input_size] -> [n, output_size]; not normalised."""


class MLPProjection(torch.nn.Sequential, AbsProjection):
    """Linear, ReLU, Linear (the projections of ML-CLAP, eq. 1).

    Args:
        input_size: width of the encoder's vector.
        output_size: width of the shared space.
        dropout: share of the hidden values that are left out while training.

    State-dict keys are `0.*` and `2.*`, as in the published ML-CLAP checkpoints.
    """

    def __init__(self, *, input_size: int, output_size: int, dropout: float = 0.0):
        super().__init__(
            torch.nn.Linear(input_size, output_size),
            torch.nn.Sequential(torch.nn.ReLU(), torch.nn.Dropout(dropout)),
            torch.nn.Linear(output_size, output_size),
        )

    def forward(self, encoded: Tensor) -> Tensor:
        return torch.nn.Sequential.forward(self, encoded)


class LinearProjection(AbsProjection):
    """One linear map: little to overfit where both encoders are frozen and the corpus is small.

    Args:
        input_size: width of the encoder's vector.
        output_size: width of the shared space.
    """

    def __init__(self, *, input_size: int, output_size: int):
        super().__init__()
        self.linear = torch.nn.Linear(input_size, output_size)

    def forward(self, encoded: Tensor) -> Tensor:
        return self.linear(encoded)
