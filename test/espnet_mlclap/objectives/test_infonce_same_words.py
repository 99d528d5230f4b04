"""InfoNCE with all clips of the same words as positives, against its pairwise form in loops."""

import pytest
import torch
from torch.nn.functional import normalize

from espnet_mlclap.objectives.infonce import InfoNCELoss
from espnet_mlclap.objectives.infonce_same_words import SameWordsInfoNCELoss

# of five clips; the words 3 are on two clips that may have no caption of them in the batch
CLIP_WORDS = [[0, 1, -1], [0, 2, -1], [3, -1, -1], [1, 3, 4], [5, 6, -1]]


def example(seed, captions=11, width=8):
    generator = torch.Generator().manual_seed(seed)
    clips = len(CLIP_WORDS)
    audio = normalize(torch.randn(clips, width, generator=generator), dim=-1).requires_grad_()
    text = normalize(torch.randn(captions, width, generator=generator), dim=-1).requires_grad_()
    more = torch.randint(clips, (captions - clips,), generator=generator)
    return audio, text, torch.cat([torch.arange(clips), more])


def words_of(owners):
    """A caption of each clip after the other: `words_index`."""
    taken = [0] * len(CLIP_WORDS)
    words = []
    for owner in owners.tolist():
        own = [word for word in CLIP_WORDS[owner] if word >= 0]
        words.append(own[taken[owner] % len(own)])
        taken[owner] += 1
    return torch.tensor(words)


def pairwise(audio, text, owners, words, temperature):
    """B x B pairs: row b is a caption, column c the clip of caption c."""
    count = len(owners)
    fits = [[words[b].item() in CLIP_WORDS[owners[c]] for c in range(count)] for b in range(count)]
    total = 0.0
    for i in range(count):
        t2a = torch.stack([text[i] @ audio[owners[c]] for c in range(count)]) / temperature
        a2t = torch.stack([audio[owners[i]] @ text[b] for b in range(count)]) / temperature
        positive_clips = [c for c in range(count) if fits[i][c]]
        positive_captions = [b for b in range(count) if fits[b][i]]
        total = total - t2a.log_softmax(0)[positive_clips].mean() / (2 * count)
        total = total - a2t.log_softmax(0)[positive_captions].mean() / (2 * count)
    return total


@pytest.mark.parametrize("seed", range(3))
def test_equals_the_pairwise_form_with_its_gradients(seed):
    audio, text, owners = example(seed)
    words = words_of(owners)
    expected = pairwise(audio, text, owners, words, 0.1)
    expected_gradients = torch.autograd.grad(expected, [audio, text])
    more = {"words_index": words, "clip_words": torch.tensor(CLIP_WORDS)}
    loss, stats = SameWordsInfoNCELoss(temperature=0.1)(audio, text, owners, **more)
    torch.testing.assert_close(loss, expected, rtol=1e-5, atol=1e-6)
    for ours, theirs in zip(torch.autograd.grad(loss, [audio, text]), expected_gradients):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)
    plain, _ = InfoNCELoss(temperature=0.1)(audio, text, owners)
    assert abs(plain - loss) > 1e-3
    assert stats["loss"] == pytest.approx(loss.item())


def test_without_shared_words_it_is_infonce():
    audio, text, owners = example(1)
    words = torch.arange(len(owners))
    clip_words = torch.full((5, len(owners)), -1)
    clip_words[owners, words] = words
    loss, _ = SameWordsInfoNCELoss()(audio, text, owners, words_index=words, clip_words=clip_words)
    torch.testing.assert_close(loss, InfoNCELoss()(audio, text, owners)[0], rtol=1e-6, atol=1e-6)


_RANKS = """
import sys, torch
import torch.distributed as dist
from espnet_mlclap.objectives.infonce_same_words import SameWordsInfoNCELoss
sys.path.insert(0, sys.argv[1])
from test_infonce_same_words import CLIP_WORDS, example, words_of

dist.init_process_group("gloo")
rank = dist.get_rank()
audio, text, owners = example(3)
words, clip_words = words_of(owners), torch.tensor(CLIP_WORDS)
expected, _ = SameWordsInfoNCELoss(gather_across_ranks=False)(
    audio, text, owners, words_index=words, clip_words=clip_words
)
clips = [[0, 1], [2, 3, 4]][rank]  # of unlike sizes
rows = torch.tensor([row for row, owner in enumerate(owners.tolist()) if owner in clips])
index = torch.tensor([clips.index(owners[row]) for row in rows])
loss, _ = SameWordsInfoNCELoss()(
    audio[clips], text[rows], index, words_index=words[rows], clip_words=clip_words[clips]
)
total = (loss * len(rows) / len(owners)).detach()
dist.all_reduce(total)
torch.testing.assert_close(total, expected.detach(), rtol=1e-6, atol=2e-7)
print("rank", rank, "agrees")
"""


def test_positives_are_global_over_ranks(on_two_ranks):
    on_two_ranks(_RANKS)
