"""One-to-K and co-anchor against loops over languages and B x B pairs, alone and over two ranks."""

import pytest
import torch

from espnet_mlclap.objectives.co_anchor import CoAnchorObjective
from espnet_mlclap.objectives.infonce import InfoNCELoss
from espnet_mlclap.objectives.infonce_same_words import SameWordsInfoNCELoss
from espnet_mlclap.objectives.one_to_k import OneToKObjective
from espnet_mlclap.objectives.sigmoid import SigmoidLoss


class Given(torch.nn.Module):
    """Towers that hand on embeddings."""

    def encode_audio(self, audio, audio_lengths):
        return audio

    def encode_text(self, text, text_lengths):
        return text


def loss_of(objective_class, audio, text, clip_index, others, loss=None):
    objective = objective_class(model=Given(), loss=loss or InfoNCELoss(temperature=0.07))
    batch = {"audio": audio, "text": text, "clip_index": clip_index, **others}
    loss, stats, weight = objective(audio_lengths=None, text_lengths=None, **batch)
    return loss[0], stats, weight[0]


def pairwise(left, right, group):
    """P pairs of rows as P x P, in both directions, targets spread over the pairs of a group."""
    logits = left @ right.T / 0.07
    targets = (group[:, None] == group).float()
    targets = targets / targets.sum(1, keepdim=True)
    return sum(-(m.log_softmax(1) * targets).sum(1).mean() for m in (logits, logits.T)) / 2


def one_to_k(audio, text, clip_index, others):
    """Each language by itself; every caption counts the same."""
    total = 0.0
    for lang in others["lang_index"].unique():
        rows = others["lang_index"] == lang
        total = total + rows.sum() * pairwise(audio[clip_index[rows]], text[rows], clip_index[rows])
    return total / len(text)


def co_anchor(audio, text, clip_index, others):
    """Clips and originals, clips and translations, originals and translations."""
    is_source, source = others["is_source"], others["source_index"]
    total, count = 0.0, 0
    for rows in (is_source, ~is_source):
        total = total + rows.sum() * pairwise(audio[clip_index[rows]], text[rows], clip_index[rows])
        count += rows.sum()
    pairs = [
        (first, second)
        for first in range(len(text))
        for second in range(len(text))
        if source[first] == source[second] and is_source[first] and not is_source[second]
    ]
    first, second = map(list, zip(*pairs))
    total = total + len(pairs) * pairwise(text[first], text[second], clip_index[first])
    return total / (count + len(pairs))


@pytest.mark.parametrize("missing", [0.0, 0.4])
@pytest.mark.parametrize(
    ("objective", "naive"), [(OneToKObjective, one_to_k), (CoAnchorObjective, co_anchor)]
)
def test_equals_the_loop_over_languages_with_its_gradients(
    objective, naive, missing, multilingual_batch
):
    audio, text, clip_index, others = multilingual_batch(3, missing=missing)
    expected = naive(audio, text, clip_index, others)
    gradients = torch.autograd.grad(expected, [audio, text])
    loss, stats, weight = loss_of(objective, audio, text, clip_index, others)
    torch.testing.assert_close(loss, expected, rtol=1e-6, atol=1e-6)
    for ours, theirs in zip(torch.autograd.grad(loss, [audio, text]), gradients):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)
    assert stats["loss"] == pytest.approx(loss.item())
    assert set(objective.reported) <= set(stats)


def test_with_nothing_missing_it_is_the_mean_over_languages(multilingual_batch):
    """The published form: K losses of one language each, averaged."""
    audio, text, clip_index, others = multilingual_batch(5, clips=7, captions=7, missing=0.0)
    losses = []
    for lang in range(3):
        rows = others["lang_index"] == lang
        losses.append(InfoNCELoss()(audio, text[rows], clip_index[rows])[0])
    loss, _, weight = loss_of(OneToKObjective, audio, text, clip_index, others)
    torch.testing.assert_close(loss, torch.stack(losses).mean())
    assert weight == 21


def test_the_mean_of_three_losses(multilingual_batch):
    """The published form of the co-anchor: clip, original, and one translation of each."""
    audio, text, clip_index, others = multilingual_batch(
        6, clips=7, captions=7, langs=2, missing=0.0
    )
    loss, stats, weight = loss_of(CoAnchorObjective, audio, text, clip_index, others)
    parts = torch.stack([stats[f"loss_{name}"] for name in ("anchor", "other", "between")])
    torch.testing.assert_close(loss.detach(), parts.mean())
    assert weight == 21
    order = {
        int(key): row for row, key in enumerate(others["source_index"]) if others["is_source"][row]
    }
    translated = [row for row in range(len(text)) if not others["is_source"][row]]
    anchors = text[[order[int(others["source_index"][row])] for row in translated]]
    third, _ = InfoNCELoss()(anchors, text[translated], torch.arange(7))
    torch.testing.assert_close(stats["loss_between"][0], third.detach())


def test_a_batch_without_translations_contrasts_originals_alone(multilingual_batch):
    audio, text, clip_index, others = multilingual_batch(7, missing=1.0)
    loss, stats, weight = loss_of(CoAnchorObjective, audio, text, clip_index, others)
    torch.testing.assert_close(
        loss, pairwise(audio[clip_index], text, clip_index), rtol=1e-6, atol=1e-6
    )
    assert (stats["loss_other"], stats["loss_between"], weight) == (0, 0, len(text))
    loss.backward()
    assert audio.grad.isfinite().all()


@pytest.mark.parametrize("objective", [OneToKObjective, CoAnchorObjective])
def test_other_losses_are_told_their_part_of_the_batch(objective, multilingual_batch):
    """With different words everywhere, same-words InfoNCE is InfoNCE with one caption per clip."""
    audio, text, clip_index, others = multilingual_batch(8, clips=6, captions=6, missing=0.3)
    expected, _, _ = loss_of(objective, audio, text, clip_index, others)
    words = torch.arange(len(text))
    clip_words = torch.full((6, 3), -1)
    for clip in range(6):
        own = words[clip_index == clip]
        clip_words[clip, : len(own)] = own
    given = {**others, "words_index": words, "clip_words": clip_words}
    loss, _, _ = loss_of(objective, audio, text, clip_index, given, SameWordsInfoNCELoss())
    torch.testing.assert_close(loss, expected)
    loss, _, _ = loss_of(objective, audio, text, clip_index, others, SigmoidLoss())
    assert loss.isfinite()


_RANKS = """
import sys, torch
import torch.distributed as dist
sys.path.insert(0, sys.argv[1])
from conftest import make_batch
from test_languages import loss_of, InfoNCELoss, SigmoidLoss, OneToKObjective, CoAnchorObjective

def learnt(loss):
    return [weight for weight in loss.parameters() if weight.requires_grad]

dist.init_process_group("gloo")
rank = dist.get_rank()
for seed in range(4):
    audio, text, clip_index, others = make_batch(seed, missing=0.5, langs=4)
    for objective in (OneToKObjective, CoAnchorObjective):
        for loss_class in (InfoNCELoss, SigmoidLoss):
            alone = loss_class(gather_across_ranks=False)
            # the collectives of a process on its own would wait for the other one
            world, dist.is_initialized = dist.is_initialized, lambda: False
            expected, _, total_weight = loss_of(objective, audio, text, clip_index, others, alone)
            dist.is_initialized = world
            wanted = torch.autograd.grad(expected, [audio, text, *learnt(alone)])
            # ranks of unlike sizes; some languages are on one of them only
            clips = [[0], [1, 2, 3, 4, 5]][rank]
            rows = torch.tensor([row for row, owner in enumerate(clip_index.tolist()) if owner in clips])
            own_audio = audio.detach()[clips].requires_grad_()
            own_text = text.detach()[rows].requires_grad_()
            index = torch.tensor([clips.index(clip_index[row]) for row in rows])
            own = {name: tensor[rows] for name, tensor in others.items()}
            loss_module = loss_class()
            loss, _, weight = loss_of(objective, own_audio, own_text, index, own, loss_module)
            weighted = loss * weight / total_weight
            found = torch.autograd.grad(weighted, [own_audio, own_text, *learnt(loss_module)])
            total = weighted.detach().clone()
            dist.all_reduce(total)
            torch.testing.assert_close(total, expected.detach(), rtol=1e-6, atol=1e-6)
            torch.testing.assert_close(found[0], wanted[0][clips], rtol=1e-4, atol=1e-6)
            torch.testing.assert_close(found[1], wanted[1][rows], rtol=1e-4, atol=1e-6)
            for ours, theirs in zip(found[2:], wanted[2:]):
                dist.all_reduce(ours)
                torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)
print("rank", rank, "agrees")
"""


def test_over_two_ranks_of_which_one_lacks_some_languages(on_two_ranks):
    on_two_ranks(_RANKS)
