"""Ranks by counting against counting in loops, with and without ties."""

import numpy as np
import pytest

from espnet_mlclap.evaluation import ranks
from espnet_mlclap.evaluation.ranks import pair_ranks, unit_rows
from espnet_mlclap.utils.errors import UserError


def naive_ranks(audio, text, caption, clip):
    """The four counts from exact integer dot products, pair by pair."""
    counts = []
    for row, column in zip(caption, clip):
        own = int(text[row] @ audio[column])
        clips = [int(text[row] @ other) for other in audio]
        captions = [int(other @ audio[column]) for other in text]
        counts.append(
            [
                sum(value > own for value in clips),
                sum(value == own for value in clips),
                sum(value > own for value in captions),
                sum(value == own for value in captions),
            ]
        )
    return np.array(counts).T


def signs(rows, seed):
    """Vectors of +-1 of size 16: unit length and dot products are exact in float32."""
    return np.random.default_rng(seed).choice([-1, 1], (rows, 16))


@pytest.mark.parametrize("block", [(255, 512), (7, 3), (1, 1)])
def test_counts_equal_naive_counts_with_many_ties(monkeypatch, block):
    monkeypatch.setattr(ranks, "_BLOCK_CAPTIONS", block[0])
    monkeypatch.setattr(ranks, "_BLOCK_CLIPS", block[1])
    monkeypatch.setattr(ranks, "_PANEL_VALUES", 20 * 11)
    audio, text = signs(20, 0), signs(61, 1)
    audio[7] = audio[3]  # equal clips
    text[40:50] = text[5]  # a caption that many clips share
    generator = np.random.default_rng(2)
    caption = generator.permutation(np.r_[np.arange(61), 5, 40])
    clip = generator.integers(20, size=63)
    clip[:5] = 19  # captions are spread unevenly over the clips
    result = pair_ranks(audio, text, caption, clip)
    np.testing.assert_array_equal(np.stack(result), naive_ranks(audio, text, caption, clip))


def test_counts_equal_sorting_without_ties():
    generator = np.random.default_rng(0)
    audio = generator.standard_normal((50, 24))
    text = generator.standard_normal((170, 24))
    clip = generator.integers(50, size=170)
    result = pair_ranks(audio, text, np.arange(170), clip)
    cosine = (text / np.linalg.norm(text, axis=1, keepdims=True)) @ (
        audio / np.linalg.norm(audio, axis=1, keepdims=True)
    ).T
    for caption in range(170):
        clips = list(np.argsort(-cosine[caption]))
        captions = list(np.argsort(-cosine[:, clip[caption]]))
        assert result.t2a_greater[caption] == clips.index(clip[caption])
        assert result.a2t_greater[caption] == captions.index(caption)
    assert np.all(result.t2a_equal == 1)
    assert np.all(result.a2t_equal == 1)


def test_copies_of_an_embedding_are_level_wherever_they_stand():
    generator = np.random.default_rng(3)
    audio = generator.standard_normal((900, 77)).astype(np.float32)
    text = generator.standard_normal((1200, 77)).astype(np.float32)
    audio[[0, 511, 899]] = audio[0]
    text[[1, 254, 255, 1199]] = text[1]
    clip = np.arange(1200) % 900
    clip[[1, 254, 255, 1199]] = [0, 10, 20, 30]
    result = pair_ranks(audio, text, np.arange(1200), clip)
    assert result.t2a_equal[1] == 3
    np.testing.assert_array_equal(result.a2t_equal[[1, 254, 255, 1199]], 4)


def test_scale_does_not_matter():
    generator = np.random.default_rng(4)
    audio = generator.standard_normal((30, 8)).astype(np.float32)
    text = generator.standard_normal((30, 8)).astype(np.float32)
    pairs = np.arange(30)
    small = pair_ranks(audio * np.float32(1e-30), text * np.float32(1e30), pairs, pairs)
    np.testing.assert_array_equal(np.stack(small), np.stack(pair_ranks(audio, text, pairs, pairs)))


def test_unit_rows_keeps_zero_rows_and_has_no_negative_zero():
    rows = unit_rows(np.array([[3.0, 4.0], [0.0, -0.0], [-0.0, 2.0]]))
    assert rows.dtype == np.float32
    np.testing.assert_allclose(rows, [[0.6, 0.8], [0, 0], [0, 1]], atol=1e-7)
    assert not np.signbit(rows).any()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_not_finite_is_an_error_that_names_the_row(value):
    audio = np.eye(4)
    audio[2, 1] = value
    with pytest.raises(UserError, match=r"audio embeddings: 1 of 4 rows .*the first is row 2"):
        pair_ranks(audio, np.eye(4), np.arange(4), np.arange(4))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"audio": np.ones((3, 5))}, "audio embeddings have 5 values, text embeddings 4"),
        ({"audio": np.ones(4)}, r"audio embeddings must be a matrix"),
        ({"text": np.ones((0, 4))}, r"text embeddings must be a matrix"),
        ({"caption": np.array([0, 4])}, r"caption rows must lie in 0..3, not 0..4"),
        ({"clip": np.array([-1, 0])}, r"clip rows must lie in 0..3"),
        ({"clip": np.array([0.0, 1.0])}, "clip rows must be integers"),
        ({"clip": np.array([0])}, "one caption and one clip each"),
    ],
)
def test_shapes_that_do_not_fit(change, message):
    arguments = {
        "audio": np.eye(4),
        "text": np.eye(4),
        "caption": np.array([0, 1]),
        "clip": np.array([0, 1]),
    }
    with pytest.raises(ValueError, match=message):
        pair_ranks(**{**arguments, **change})
