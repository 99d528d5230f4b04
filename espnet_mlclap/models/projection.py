"""From an encoder's vector to the space that audio and text share."""

import torch
from torch import Tensor


class Projection(torch.nn.Sequential):
    """Linear, ReLU, Linear (the projections of ML-CLAP, eq. 1).

    Args:
        input_size: width of the encoder's vector.
        output_size: width of the shared space.

    State-dict keys are `0.*` and `2.*`, as in the published ML-CLAP checkpoints.
    """

    def __init__(self, *, input_size: int, output_size: int):
        super().__init__(
            torch.nn.Linear(input_size, output_size),
            torch.nn.ReLU(),
            torch.nn.Linear(output_size, output_size),
        )

    def forward(self, encoded: Tensor) -> Tensor:
        """[n, input_size] -> [n, output_size]; not normalised."""
        return super().forward(encoded)
