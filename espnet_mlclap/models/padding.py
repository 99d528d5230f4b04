"""Arrays of different lengths as one tensor: what the models take."""

from typing import Callable, Iterator, List, Sequence, Tuple

import numpy as np
import torch
from torch import Tensor

from espnet_mlclap.fileio.audio import SAMPLING_RATE
from espnet_mlclap.utils.batches import batches_by_length

MOST_PADDED = (
    600 * SAMPLING_RATE
)  # samples of the clips that are embedded together, with their padding


def by_length(
    encode: Callable[[Tensor, Tensor], Tensor], rows: Tensor, lengths: Tensor, size: int
) -> Tensor:
    """Encode rows of similar length together, `size` at a time, each part padded to its own longest.

    Args:
        encode: rows [n, longest, ...] and lengths [n] to vectors [n, E], each of its row alone.
        rows: [N, longest, ...].
        lengths: [N].

    Returns:
        [N, E], in the order of the rows.
    """
    order = lengths.argsort(stable=True)
    parts: List[Tensor] = []
    for chosen in order.split(size):
        own = lengths[chosen]
        parts.append(encode(rows[chosen, : int(own.max())], own))
    return torch.cat(parts)[order.argsort()]


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


def padded_batches(
    clips: Sequence[np.ndarray], most_clips: int
) -> Iterator[Tuple[List[int], Tensor, Tensor]]:
    """Clips that were read, in batches as the models take them; a long one does not make others long.

    Args:
        clips: samples [samples], or features [frames, features].
        most_clips: in a batch, 1 or more; in memory at once are at most `MOST_PADDED` numbers, or one clip.

    Yields:
        Places among the clips, the batch padded with zeros, and the lengths; long clips first.
    """
    for places in batches_by_length([clip.size for clip in clips], most_clips, MOST_PADDED):
        yield places, *pad([clips[place] for place in places], 0.0)
