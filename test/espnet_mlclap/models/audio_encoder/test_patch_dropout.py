"""Patch dropout: how many stay, which ones, and that all are equally likely."""

import torch

from espnet_mlclap.models.audio_encoder.patch_dropout import drop_patches, keep_some


def test_as_many_stay_as_the_formula_says():
    counts = torch.arange(1, 64)
    index, kept = keep_some(counts, 63, 0.25)
    assert kept.tolist() == [n - int(n * 0.25) for n in range(1, 64)]
    assert index.shape == (63, 63 - 15)
    for count, row, number in zip(counts, index, kept):
        real = row[:number]
        assert (real < count).all()
        assert (real.diff() > 0).all(), "ascending, so none twice"
        assert len(set(row.tolist())) == len(row)


def test_every_place_is_kept_equally_often():
    torch.manual_seed(0)
    rows, places = 20000, 8
    index, kept = keep_some(torch.full((rows,), places), places, 0.25)
    assert (kept == 6).all()
    share = index.flatten().bincount() / rows
    # standard deviation of a share of 0.75 over 20,000 draws: 0.003
    torch.testing.assert_close(share, torch.full((places,), 0.75), atol=0.015, rtol=0)


def test_whole_columns_and_rows_of_real_patches_go():
    torch.manual_seed(0)
    chunks, rows, columns = 50, 4, 20
    grid = torch.arange(chunks * rows * columns).view(chunks, rows, columns, 1)
    patches = torch.randint(1, columns + 1, (chunks,))
    kept, left = drop_patches(grid, patches, time=0.25, frequency=0.25)
    assert kept.shape == (chunks, 3, 15, 1)
    drawn = set()
    for chunk in range(chunks):
        real = kept[chunk, :, : left[chunk], 0] - chunk * rows * columns
        row, column = real // columns, real % columns
        assert (row == row[:, :1]).all(), "whole rows"
        assert (column == column[:1]).all(), "whole columns"
        assert (column < patches[chunk]).all(), "only real columns"
        drawn.add(tuple(row[:, 0].tolist()))
    assert len(drawn) == 4, "every chunk draws its own"


def test_nothing_to_drop_leaves_all():
    grid = torch.randn(3, 4, 5, 2)
    kept, left = drop_patches(grid, torch.tensor([5, 5, 5]), time=0.0, frequency=0.0)
    assert torch.equal(kept, grid)
    assert left.tolist() == [5, 5, 5]


def test_the_same_seed_draws_the_same():
    counts = torch.full((10,), 63)
    torch.manual_seed(5)
    first = keep_some(counts, 63, 0.25)[0]
    torch.manual_seed(5)
    assert torch.equal(first, keep_some(counts, 63, 0.25)[0])
