"""Cutting and grouping, counted by hand."""

import random

from espnet_mlclap.models.audio_encoder.ced_chunks import Chunk, cut, cut_as_reference, group


def test_cut_counts_a_short_last_chunk_as_long_as_it_is():
    assert cut([1012, 1013, 2024, 1012 + 40, 5, 0], 1012) == [
        Chunk(0, 0, 1012, 63),
        Chunk(1, 0, 1012, 63),  # one frame is left over: less than a patch
        Chunk(2, 0, 1012, 63),
        Chunk(2, 1012, 1012, 63),
        Chunk(3, 0, 1012, 63),
        Chunk(3, 1012, 40, 2),
        Chunk(4, 0, 5, 1),
        Chunk(5, 0, 0, 1),
    ]


def test_reference_pads_the_last_chunk_and_drops_it_where_nothing_is_left_over():
    full = Chunk(0, 0, 1012, 63)
    assert cut_as_reference(1, 1012, 1012) == [full]
    assert cut_as_reference(1, 1013, 1012) == [full, Chunk(0, 1012, 1, 63)]
    assert cut_as_reference(1, 2024, 1012) == [full]
    assert cut_as_reference(1, 3036, 1012) == [full, Chunk(0, 1012, 1012, 63)]
    assert cut_as_reference(2, 500, 1012) == [Chunk(0, 0, 500, 31), Chunk(1, 0, 500, 31)]


def test_groups_hold_each_chunk_once_and_keep_their_bounds():
    generator = random.Random(0)
    chunks = [Chunk(i, 0, 0, generator.randint(1, 63)) for i in range(500)]
    groups = group(chunks, max_patches=400)
    assert sorted(position for members in groups for position in members) == list(range(500))
    for members in groups:
        patches = [chunks[position].patches for position in members]
        assert max(patches) == patches[0]
        assert len(patches) * patches[0] <= 400
        assert min(patches) >= 2 / 3 * patches[0]


def test_one_chunk_is_taken_however_small_the_limit():
    assert group([Chunk(0, 0, 0, 63), Chunk(1, 0, 0, 63)], max_patches=1) == [[0], [1]]
