"""Items of different lengths in batches with little padding."""

from itertools import accumulate
from typing import List, Sequence


def batches_by_length(lengths: Sequence[int], most_items: int, most_padded: int) -> List[List[int]]:
    """Cut items into batches, the longest first, so that memory and time follow the sum of the lengths.

    Args:
        lengths: of the items.
        most_items: in a batch, 1 or more.
        most_padded: the items of a batch times the longest of them, in the unit of the lengths; an item that
            is longer by itself is alone.

    Returns:
        The positions of the items by batch; items of equal length in the order given.
    """
    batches: List[List[int]] = []
    longest = 0
    for position in sorted(range(len(lengths)), key=lambda position: -lengths[position]):
        full = batches and (
            len(batches[-1]) == most_items or (len(batches[-1]) + 1) * longest > most_padded
        )
        if not batches or full:
            batches.append([])
            longest = lengths[position]
        batches[-1].append(position)
    return batches


def consecutive(batches: Sequence[Sequence[int]]) -> List[range]:
    """The same batches, of items that are numbered in their order."""
    ends = list(accumulate(map(len, batches)))
    return [range(end - len(batch), end) for end, batch in zip(ends, batches)]
