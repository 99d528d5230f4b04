"""InfoNCE against the pairwise form of eq. 3, alone and over several ranks."""

import pytest
import torch
from torch.nn.functional import normalize

from espnet_mlclap.objectives.infonce import InfoNCELoss
from espnet_mlclap.utils.errors import UserError


def pairwise(audio, text, clip_index, temperature):
    """Eq. 3 written out over B x B pairs, targets spread over the captions of a clip."""
    count = len(clip_index)
    total = 0.0
    for i in range(count):
        equals = [j for j in range(count) if clip_index[j] == clip_index[i]]
        a2t = torch.stack([audio[clip_index[i]] @ text[j] for j in range(count)]) / temperature
        t2a = torch.stack([audio[clip_index[j]] @ text[i] for j in range(count)]) / temperature
        for scores in (a2t, t2a):
            total = total - scores.log_softmax(0)[equals].mean() / (2 * count)
    return total


def example(seed, clips=5, captions=11, width=8):
    generator = torch.Generator().manual_seed(seed)
    audio = normalize(torch.randn(clips, width, generator=generator), dim=-1).requires_grad_()
    text = normalize(torch.randn(captions, width, generator=generator), dim=-1).requires_grad_()
    owners = torch.cat(
        [torch.arange(clips), torch.randint(clips, (captions - clips,), generator=generator)]
    )
    return audio, text, owners[torch.randperm(captions, generator=generator)]


@pytest.mark.parametrize("seed", range(3))
def test_equals_the_pairwise_form_with_its_gradients(seed):
    audio, text, owners = example(seed)
    expected = pairwise(audio, text, owners, 0.07)
    expected_gradients = torch.autograd.grad(expected, [audio, text])
    loss, stats = InfoNCELoss(temperature=0.07)(audio, text, owners)
    gradients = torch.autograd.grad(loss, [audio, text])
    torch.testing.assert_close(loss, expected, rtol=1e-6, atol=1e-6)
    for ours, theirs in zip(gradients, expected_gradients):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)
    assert stats["loss"] == pytest.approx(loss.item())


@pytest.mark.parametrize("seed", range(3))
def test_parts_of_one_clip_are_positives_of_each_other(seed):
    """Against B x B pairs in which each pair has a row of audio of its own."""
    generator = torch.Generator().manual_seed(seed)
    group = torch.tensor([0, 1, 0, 2, 1, 0, 3])
    audio = normalize(torch.randn(7, 8, generator=generator), dim=-1).requires_grad_()
    text = normalize(torch.randn(7, 8, generator=generator), dim=-1).requires_grad_()
    logits = audio @ text.T / 0.07
    targets = (group[:, None] == group).float()
    targets = targets / targets.sum(1, keepdim=True)
    a2t, t2a = (-(m.log_softmax(1) * targets).sum(1).mean() for m in (logits, logits.T))
    expected = torch.autograd.grad((a2t + t2a) / 2, [audio, text])
    loss, stats = InfoNCELoss(temperature=0.07)(audio, text, torch.arange(7), group)
    torch.testing.assert_close(stats["loss_a2t"], a2t.detach())
    torch.testing.assert_close(stats["loss_t2a"], t2a.detach())
    for ours, theirs in zip(torch.autograd.grad(loss, [audio, text]), expected):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


def test_equal_parts_of_a_clip_are_the_clip_itself():
    audio, text, owners = example(2)
    expected, _ = InfoNCELoss()(audio, text, owners)
    repeated, _ = InfoNCELoss()(audio[owners], text, torch.arange(len(owners)), owners)
    torch.testing.assert_close(repeated, expected, rtol=1e-6, atol=1e-6)


def test_temperature_is_fixed_unless_asked_for():
    audio, text, owners = example(0)
    fixed = InfoNCELoss(temperature=0.1)
    assert not fixed.temperature.requires_grad
    learnable = InfoNCELoss(temperature=0.1, learnable_temperature=True)
    loss, _ = learnable(audio, text, owners)
    loss.backward()
    assert learnable.temperature.grad.abs() > 0
    torch.testing.assert_close(loss, fixed(audio, text, owners)[0])


def test_regularisation_is_the_authors_formula():
    audio, text, owners = example(1)
    plain, _ = InfoNCELoss()(audio, text, owners)
    penalised, _ = InfoNCELoss(embedding_regularisation=2.0)(audio, text, owners)
    pairs = audio[owners]
    expected = pairs.abs().mean() / pairs.pow(2).sum().sqrt()
    expected = expected + text.abs().mean() / text.pow(2).sum().sqrt()
    torch.testing.assert_close(penalised - plain, 2.0 * expected)


def test_bad_temperature():
    with pytest.raises(UserError, match="temperature must be above 0"):
        InfoNCELoss(temperature=0.0)


def test_autocast_leaves_it_in_float32():
    audio, text, owners = example(4)
    expected, _ = InfoNCELoss()(audio, text, owners)
    expected_gradients = torch.autograd.grad(expected, [audio, text])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss, _ = InfoNCELoss()(audio, text, owners)
    assert torch.equal(loss, expected)
    gradients = torch.autograd.grad(loss, [audio, text])
    assert all(torch.equal(*both) for both in zip(gradients, expected_gradients))


def test_a_learnable_temperature_comes_back_from_the_coldest():
    audio, text, owners = example(0)
    loss = InfoNCELoss(temperature=0.001, learnable_temperature=True)
    value, stats = loss(audio, text, owners)
    value.backward()
    assert stats["temperature"] == pytest.approx(0.01)
    assert loss.temperature.grad.abs() > 0


@pytest.mark.parametrize(("learnable", "expected"), [(False, 0.05), (True, 0.07)])
def test_only_a_learnable_temperature_comes_from_loaded_weights(learnable, expected):
    loss = InfoNCELoss(temperature=0.05, learnable_temperature=learnable)
    loss.load_state_dict(InfoNCELoss(temperature=0.07).state_dict())
    assert loss.temperature.item() == pytest.approx(expected)
    assert list(loss.state_dict()) == ["temperature"]  # of every checkpoint


_RANKS = """
import sys, torch
import torch.distributed as dist
from espnet_mlclap.objectives.infonce import InfoNCELoss
sys.path.insert(0, sys.argv[1])
from test_infonce import example

dist.init_process_group("gloo")
rank, world = dist.get_rank(), dist.get_world_size()
audio, text, owners = example(3)
expected, _ = InfoNCELoss(gather_across_ranks=False)(audio, text, owners)
expected_gradients = torch.autograd.grad(expected, [audio, text])
# ranks of unlike sizes: clips 0-1 and 2-4, each with its captions
clips = [[0, 1], [2, 3, 4]][rank]
rows = torch.tensor([row for row, owner in enumerate(owners.tolist()) if owner in clips])
own_audio = audio.detach()[clips].requires_grad_()
own_text = text.detach()[rows].requires_grad_()
index = torch.tensor([clips.index(owners[row]) for row in rows])
loss, _ = InfoNCELoss()(own_audio, own_text, index)
weighted = loss * len(rows) / len(owners)  # what ESPnet's trainer does with the weights
gradients = torch.autograd.grad(weighted, [own_audio, own_text])
total = weighted.detach().clone()
dist.all_reduce(total)
torch.testing.assert_close(total, expected.detach(), rtol=1e-6, atol=2e-7)
torch.testing.assert_close(gradients[0], expected_gradients[0][clips], rtol=1e-5, atol=1e-6)
torch.testing.assert_close(gradients[1], expected_gradients[1][rows], rtol=1e-5, atol=1e-6)
print("rank", rank, "agrees")
"""


def test_negatives_are_global_over_ranks(on_two_ranks):
    on_two_ranks(_RANKS)
