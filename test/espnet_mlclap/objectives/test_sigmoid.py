"""The sigmoid loss against a double loop over captions and clips."""

import math

import pytest
import torch
from torch.nn.functional import normalize

from espnet_mlclap.checkpoints.state_dict import without_learnt
from espnet_mlclap.objectives.contrastive import ContrastiveObjective
from espnet_mlclap.objectives.sigmoid import SigmoidLoss
from espnet_mlclap.utils.errors import UserError


def double_loop(audio, text, clip_index, scale, bias, groups=None):
    """Eq. 1 of arXiv:2303.15343, over captions and clips."""
    groups = list(range(len(audio))) if groups is None else groups.tolist()
    total = 0.0
    for caption, owner in zip(text, clip_index.tolist()):
        for clip in range(len(audio)):
            sign = 1 if groups[clip] == groups[owner] else -1
            total = total - torch.nn.functional.logsigmoid(
                sign * (scale * (caption @ audio[clip]) + bias)
            )
    return total / len(text)


@pytest.mark.parametrize("groups", [None, torch.tensor([0, 1, 0, 2, 1])])
def test_equals_the_double_loop_with_its_gradients(groups):
    torch.manual_seed(1)
    audio = normalize(torch.randn(5, 8), dim=-1).requires_grad_()
    text = normalize(torch.randn(9, 8), dim=-1).requires_grad_()
    owners = torch.tensor([4, 0, 1, 1, 2, 3, 0, 4, 1])
    loss = SigmoidLoss(temperature=0.2, bias=-3.0)
    found, stats = loss(audio, text, owners, groups)
    scale, bias = loss.log_scale.exp(), loss.bias
    expected = double_loop(audio, text, owners, scale, bias, groups)
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-6)
    inputs = [audio, text, loss.log_scale, loss.bias]
    for ours, theirs in zip(
        torch.autograd.grad(found, inputs, retain_graph=True), torch.autograd.grad(expected, inputs)
    ):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)
    assert stats["loss"] == pytest.approx(found.item())
    assert stats["temperature"] == pytest.approx(0.2)
    assert stats["loss_positive"] + stats["loss_negative"] == pytest.approx(found.item())


def test_what_it_learns_is_saved_with_the_weights_and_taken_up_again():
    trained, next_one, fixed = (
        ContrastiveObjective(model=torch.nn.Linear(2, 2), loss=SigmoidLoss(learnable=learnable))
        for learnable in (True, True, False)
    )
    with torch.no_grad():
        trained.loss.log_scale.fill_(3.0)
        trained.loss.bias.fill_(-7.0)
    saved = trained.weights()
    assert set(saved) == {"weight", "bias", "loss.log_scale", "loss.bias"}
    model, learnt = without_learnt(saved)
    assert set(model) == {"weight", "bias"}
    next_one.start_from(learnt)
    assert (next_one.loss.log_scale, next_one.loss.bias) == (3.0, -7.0)
    fixed.start_from(learnt)  # what is not learnt stays as the configuration says
    assert fixed.loss.bias == -10
    assert set(fixed.weights()) == {"weight", "bias"}


def test_starts_as_in_the_paper():
    loss = SigmoidLoss()
    assert loss.log_scale.item() == pytest.approx(math.log(10))
    assert loss.bias.item() == -10
    fixed = SigmoidLoss(learnable=False)
    assert not any(weight.requires_grad for weight in fixed.parameters())
    with pytest.raises(UserError, match="temperature must be above 0"):
        SigmoidLoss(temperature=0.0)
