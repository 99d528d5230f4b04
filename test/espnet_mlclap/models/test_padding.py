"""Rows of similar length are encoded together, and come back in their order."""

import torch

from espnet_mlclap.models.padding import by_length


def test_parts_are_cut_to_their_longest_and_come_back_in_order():
    lengths = torch.tensor([3, 1, 4, 1, 5, 2, 2])
    rows = torch.arange(7)[:, None].expand(7, 6)
    shapes = []

    def encode(part, own):
        shapes.append(tuple(part.shape))
        assert own.tolist() == lengths[part[:, 0]].tolist()
        return part[:, :1] * 10 + own[:, None]

    found = by_length(encode, rows, lengths, 3)
    assert found[:, 0].tolist() == [10 * row + int(length) for row, length in enumerate(lengths)]
    assert shapes == [(3, 2), (3, 4), (1, 5)]
