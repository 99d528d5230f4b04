"""Projections: names of the published weights, what is dropped while training and what is not otherwise."""

import pytest
import torch

from espnet_mlclap.models.projection import MLPProjection


def test_weights_have_the_published_names_with_and_without_dropout():
    for dropout in (0.0, 0.5):
        keys = MLPProjection(input_size=3, output_size=4, dropout=dropout).state_dict().keys()
        assert list(keys) == ["0.weight", "0.bias", "2.weight", "2.bias"]


def test_hidden_values_are_dropped_while_training_only():
    torch.manual_seed(1)
    projection = MLPProjection(input_size=8, output_size=4000, dropout=0.5)
    projection[2] = torch.nn.Identity()  # what is hidden becomes visible
    encoded = torch.rand(1, 8)
    hidden = (projection[0].weight @ encoded[0] + projection[0].bias).clamp(min=0)
    whole = projection.eval()(encoded)[0]
    torch.testing.assert_close(whole, hidden)
    left = projection.train()(encoded)[0]
    kept = left != 0
    torch.testing.assert_close(left[kept], 2 * hidden[kept])
    share = kept.sum() / (hidden > 0).sum()
    assert float(share) == pytest.approx(0.5, abs=0.05)
