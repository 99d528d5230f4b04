"""Poolings against a loop over clips, tokens and pieces."""

import pytest
import torch

from espnet_mlclap.models.pooling import FirstPooling, MaxOfSegmentsPooling, MeanPooling
from espnet_mlclap.models.tokens import Tokens, length_mask

LENGTHS = torch.tensor([6, 3, 1])
PIECES = [[0, 0, 0, 0, 1, 1], [0, 1, 2], [0]]


@pytest.fixture
def tokens():
    values = torch.randn(3, 6, 4, generator=torch.Generator().manual_seed(3))
    segment = torch.zeros(3, 6, dtype=torch.int64)
    for row, pieces in enumerate(PIECES):
        segment[row, : len(pieces)] = torch.tensor(pieces)
    return Tokens(values, length_mask(LENGTHS, 6), segment)


def by_hand(tokens, row):
    """Mean, first and largest mean of a piece of one clip."""
    own = [tokens.values[row, t] for t in range(LENGTHS[row])]
    pieces = {}
    for value, piece in zip(own, PIECES[row]):
        pieces.setdefault(piece, []).append(value)
    means = [sum(values) / len(values) for values in pieces.values()]
    return sum(own) / len(own), own[0], torch.stack(means).amax(0)


def test_against_a_loop(tokens):
    for position, pooling in enumerate((MeanPooling, FirstPooling, MaxOfSegmentsPooling)):
        found = pooling(input_size=4)(tokens)
        expected = torch.stack([by_hand(tokens, row)[position] for row in range(3)])
        torch.testing.assert_close(found, expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("pooling", [MeanPooling, FirstPooling, MaxOfSegmentsPooling])
def test_what_is_masked_does_not_count(tokens, pooling):
    spoiled = tokens.values.masked_fill(~tokens.mask.unsqueeze(2), torch.nan)
    pool = pooling(input_size=4)
    assert torch.equal(pool(tokens._replace(values=spoiled)), pool(tokens))


def test_one_piece_and_no_mask(tokens):
    whole = Tokens(tokens.values)
    for pooling in (MeanPooling, MaxOfSegmentsPooling):
        assert torch.equal(pooling(input_size=4)(whole), tokens.values.mean(1))
