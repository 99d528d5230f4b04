"""Batches of items of different lengths."""

import numpy as np
import pytest

from espnet_mlclap.utils.batches import batches_by_length


def test_a_long_item_is_alone():
    assert batches_by_length([5, 3600, 5, 5, 4], 16, 600) == [[1], [0, 2, 3, 4]]


def test_without_a_bound_that_matters_they_are_cut_in_the_order_of_their_lengths():
    assert batches_by_length([1, 1, 2, 1, 3], 2, 100) == [[4, 2], [0, 1], [3]]
    assert batches_by_length([0, 0, 0], 2, 0) == [[0, 1], [2]]
    assert batches_by_length([], 2, 9) == []


@pytest.mark.parametrize("seed", range(20))
def test_all_items_once_within_the_bounds(seed):
    generator = np.random.default_rng(seed)
    lengths = generator.integers(1, 1000, generator.integers(1, 60)).tolist()
    items, padded = int(generator.integers(1, 9)), int(generator.integers(1, 3000))
    batches = batches_by_length(lengths, items, padded)
    assert sorted(position for batch in batches for position in batch) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) <= items
        assert (
            len(batch) == 1 or len(batch) * max(lengths[position] for position in batch) <= padded
        )
