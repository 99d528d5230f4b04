"""Patch dropout: while training, whole columns (time) and rows (frequency) of patches are left out.

After PaSST (arXiv:2110.05069). Dropped patches are not computed on, so training gets faster too.
Every chunk draws its own columns and rows from its real patches.
"""

from typing import Tuple

import torch


def keep_some(
    counts: torch.Tensor, size: int, fraction: float
) -> Tuple[torch.Tensor, torch.Tensor]:
    """Draw, for each row, which of its first `counts` of `size` places stay.

    Of n places, n - floor(fraction n) stay: at least one.

    Args:
        counts: [rows] int64, places that exist.
        size: places of the longest row.
        fraction: share to drop, in [0, 1).

    Returns:
        index: [rows, most places kept] int64, places kept, ascending; filled up with others.
        kept: [rows] int64, how many of a row of `index` are real.
    """
    kept = counts - (counts.double() * fraction).floor().long()
    draw = torch.rand(len(counts), size, device=counts.device)
    draw = draw.masked_fill(torch.arange(size, device=counts.device) >= counts.unsqueeze(1), 2.0)
    order = draw.argsort(dim=1)  # real places in random order, then the others
    width = size - int(size * fraction)
    order = order[:, :width]
    beyond = torch.arange(width, device=counts.device) >= kept.unsqueeze(1)
    # ascending within the real part; the others go last
    order = torch.where(beyond, order + size, order).sort(dim=1).values
    return order.remainder(size), kept


def drop_patches(
    grid: torch.Tensor, patches: torch.Tensor, *, time: float, frequency: float
) -> Tuple[torch.Tensor, torch.Tensor]:
    """Leave out columns and rows of patches.

    Args:
        grid: [chunks, rows, columns, width] patches, frequency by time.
        patches: [chunks] int64, real columns of each chunk.
        time: share of a chunk's real columns to drop.
        frequency: share of the rows to drop.

    Returns:
        [chunks, rows kept, columns kept, width] and [chunks], the real columns that stay.
    """
    chunks, rows, columns, width = grid.shape
    row_index, _ = keep_some(patches.new_full((chunks,), rows), rows, frequency)
    column_index, patches = keep_some(patches, columns, time)
    chunk = torch.arange(chunks, device=grid.device)
    grid = grid[chunk[:, None, None], row_index[:, :, None], column_index[:, None, :]]
    return grid, patches
