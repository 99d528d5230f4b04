"""Batch statistics of packed frames against the formula."""

import pytest
import torch

from espnet_mlclap.models.audio_encoder.masked_batch_norm import PackedBatchNorm


def norm_with_random_state() -> PackedBatchNorm:
    torch.manual_seed(1)
    norm = PackedBatchNorm(64, momentum=0.01)
    for tensor in (norm.weight, norm.bias, norm.running_mean):
        tensor.data.normal_()
    norm.running_var.uniform_(0.5, 2.0)
    return norm


@pytest.mark.parametrize("bins_apart", [True, False])
def test_training_statistics_are_those_of_the_frames(bins_apart):
    norm = norm_with_random_state()
    mean_before, var_before = norm.running_mean.double(), norm.running_var.double()
    frames = 20 * torch.randn(777, 64) - 30
    output = norm(frames, bins_apart=bins_apart)

    wide = frames.double()
    mean, var = wide.mean(0), wide.var(0, unbiased=False)
    expected = (wide - mean) / (var + 1e-5).sqrt() * norm.weight.double() + norm.bias.double()
    tolerance = {"atol": 1e-6 if bins_apart else 1e-4, "rtol": 1e-5}
    torch.testing.assert_close(output.double(), expected, **tolerance)
    torch.testing.assert_close(
        norm.running_mean.double(), 0.99 * mean_before + 0.01 * mean, **tolerance
    )
    unbiased = wide.var(0, unbiased=True)
    torch.testing.assert_close(
        norm.running_var.double(), 0.99 * var_before + 0.01 * unbiased, **tolerance
    )
    assert norm.num_batches_tracked == 1


def test_evaluation_uses_running_statistics():
    norm = norm_with_random_state().eval()
    frames = torch.randn(10, 64)
    scale = norm.weight / (norm.running_var + 1e-5).sqrt()
    expected = (frames - norm.running_mean) * scale + norm.bias
    torch.testing.assert_close(norm(frames), expected)


def test_a_single_frame_while_training_falls_back_on_running_statistics():
    norm = norm_with_random_state()
    before = norm.running_mean.clone()
    frame = torch.randn(1, 64)
    output = norm(frame)
    assert torch.equal(norm.running_mean, before)
    torch.testing.assert_close(output, norm.eval()(frame))
