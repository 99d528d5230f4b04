"""Collect rows of all ranks, with gradients, where the ranks have different numbers of rows."""

from itertools import accumulate
from typing import List, Sequence, TypeVar

import numpy as np
import torch
from torch import Tensor

from espnet_mlclap.models.tokens import Tokens

T = TypeVar("T")


def world_size() -> int:
    """Number of ranks; 1 without torch.distributed."""
    distributed = torch.distributed
    if distributed.is_available() and distributed.is_initialized():
        return distributed.get_world_size()
    return 1


def this_rank() -> int:
    """Number of this process among the ranks, from 0."""
    return torch.distributed.get_rank() if world_size() > 1 else 0


def sum_over_ranks(rows: np.ndarray, device: torch.device) -> np.ndarray:
    """The sum of what the ranks have; whole rows, where each has some of them and 0 for the others.

    Args:
        rows: float32 of the same shape on every rank.
        device: on which the ranks exchange.
    """
    if world_size() == 1:
        return rows
    summed = torch.from_numpy(rows).to(device)
    torch.distributed.all_reduce(summed)
    return summed.cpu().numpy()


def of_first_rank(value: T, device: torch.device) -> T:
    """What the first rank has, on all of them.

    Args:
        value: anything that pickles.
        device: on which the ranks exchange.
    """
    if world_size() == 1:
        return value
    box = [value]
    torch.distributed.broadcast_object_list(box, src=0, device=device)
    return box[0]


def gather_rows(rows: Tensor) -> List[Tensor]:
    """Rows of every rank, in the order of the ranks.

    Args:
        rows: [n, ...]; n may differ from rank to rank.

    Returns:
        One tensor [n_rank, ...] per rank; gradients flow back to the rank that a row came from.
    """
    if world_size() == 1:
        return [rows]
    count = torch.tensor([rows.shape[0]], device=rows.device)
    counts = [torch.empty_like(count) for _ in range(world_size())]
    torch.distributed.all_gather(counts, count)
    sizes = [int(size) for size in counts]
    padded = rows.new_zeros((max(sizes), *rows.shape[1:]))
    padded = torch.cat([rows, padded[rows.shape[0] :]])
    if rows.is_floating_point():
        from torch.distributed.nn.functional import all_gather

        gathered = list(all_gather(padded))
    else:
        gathered = [torch.empty_like(padded) for _ in sizes]
        torch.distributed.all_gather(gathered, padded)
    return [part[:size] for part, size in zip(gathered, sizes)]


def gather_tokens(tokens: Tokens) -> Tokens:
    """Tokens of the items of every rank, in the order of the ranks, padded to the longest of all.

    Args:
        tokens: [n, t, d] without `segment`; n and t may differ from rank to rank.

    Returns:
        [all n, longest t, d] with a mask; gradients flow back to the rank that an item came from.
    """
    if world_size() == 1:
        return tokens
    values, mask = tokens.values, tokens.mask
    if mask is None:
        mask = torch.ones(values.shape[:2], dtype=torch.bool, device=values.device)
    longest = torch.tensor(values.shape[1], device=values.device)
    torch.distributed.all_reduce(longest, torch.distributed.ReduceOp.MAX)
    rest = int(longest) - values.shape[1]
    values = torch.nn.functional.pad(values, (0, 0, 0, rest))
    mask = torch.nn.functional.pad(mask.byte(), (0, rest))
    return Tokens(torch.cat(gather_rows(values)), torch.cat(gather_rows(mask)).bool())


def joined_index(parts: Sequence[Tensor], sizes: Sequence[int]) -> Tensor:
    """Indices into rows that each rank counts for itself -> one into the rows of all.

    Args:
        parts: the indices of each rank.
        sizes: its number of rows.
    """
    return torch.cat([part + start for part, start in zip(parts, accumulate(sizes, initial=0))])
