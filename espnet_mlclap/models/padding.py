"""Arrays of different lengths as one tensor: what the models take."""

from typing import Sequence, Tuple

import numpy as np
import torch
from torch import Tensor

from espnet_mlclap.fileio.audio import SAMPLING_RATE

MOST_PADDED = (
    600 * SAMPLING_RATE
)  # samples of the clips that are embedded together, with their padding


def pad(arrays: Sequence[np.ndarray], value: float) -> Tuple[Tensor, Tensor]:
    """Stack arrays of different first dimensions.

    Returns:
        [n, longest, ...] filled up with `value`, and [n] int64 lengths.
    """
    lengths = torch.tensor([len(array) for array in arrays], dtype=torch.int64)
    shape = (len(arrays), int(lengths.max()), *arrays[0].shape[1:])
    padded = torch.full(shape, value, dtype=torch.from_numpy(arrays[0]).dtype)
    for row, array in zip(padded, arrays):
        row[: len(array)] = torch.from_numpy(array)
    return padded, lengths
