"""Estimated correspondences against loops over the pairs of a batch, alone and over several ranks."""

import numpy as np
import pytest
import torch
from torch.nn.functional import cosine_similarity, normalize

from espnet_mlclap.objectives.correspondences import CorrespondenceLoss, join_teachers
from espnet_mlclap.objectives.infonce import InfoNCELoss
from espnet_mlclap.objectives.one_to_k import OneToKObjective
from espnet_mlclap.utils.errors import UserError

OWNERS = [2, 0, 0, 1, 3, 0, 3]  # clips with 3, 1, 1 and 2 captions
LANGS = torch.tensor([0, 0, 1, 0, 2, 2, 0])


def units(generator, rows, width):
    return normalize(torch.randn(rows, width, generator=generator, dtype=torch.float64), dim=-1)


def example(seed, teachers=3):
    """Clips, captions, owners, and the clips and captions of teachers of several widths."""
    generator = torch.Generator().manual_seed(seed)
    audio, text = units(generator, 4, 8).requires_grad_(), units(generator, 7, 8).requires_grad_()
    learned = [(units(generator, 4, 5 + k), units(generator, 7, 5 + k)) for k in range(teachers)]
    return audio, text, torch.tensor(OWNERS), learned


def joined(learned):
    clips, captions = zip(*learned)
    return {
        "teacher_audio": torch.tensor(join_teachers([rows.numpy() for rows in clips])),
        "teacher_text": torch.tensor(join_teachers([rows.numpy() for rows in captions])),
    }


def pairwise(audio, text, owners, learned, temperature, teacher_temperature):
    """Both terms, pair by pair: row i is the clip of caption i, column j the caption j."""
    count = len(owners)
    student = [
        [audio[owners[i]] @ text[j] / temperature for j in range(count)] for i in range(count)
    ]
    student = torch.stack([torch.stack(row) for row in student])
    supervised, pairs = 0.0, 0
    for i in range(count):
        for j in range(count):
            if owners[i] == owners[j]:
                pairs += 1
                supervised = supervised - student[i].log_softmax(0)[j]
                supervised = supervised - student[:, j].log_softmax(0)[i]
    distilled = 0.0
    estimated = torch.zeros(count, count, dtype=torch.float64)
    for i in range(count):
        for j in range(count):
            each = [cosine_similarity(a[owners[i]], t[j], dim=0) for a, t in learned]
            estimated[i, j] = sum(each) / len(each) / teacher_temperature
    for matrix, targets in ((student, estimated), (student.T, estimated.T)):
        for i in range(count):
            distilled = distilled - (targets[i].softmax(0) * matrix[i].log_softmax(0)).sum()
    return supervised / pairs / 2, distilled / count / 2


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize(
    ("weights", "warmer"), [((0.0, 1.0), None), ((0.7, 0.3), 0.2), ((1, 0), None)]
)
def test_equals_the_loop_over_pairs_with_its_gradients(seed, weights, warmer):
    audio, text, owners, learned = example(seed)
    supervised, distilled = pairwise(audio, text, owners, learned, 0.05, warmer or 0.05)
    expected = weights[0] * supervised + weights[1] * distilled
    loss = CorrespondenceLoss(
        supervised_weight=weights[0], distillation_weight=weights[1], teacher_temperature=warmer
    )
    value, stats = loss(audio, text, owners, **joined(learned))
    torch.testing.assert_close(value, expected, rtol=1e-10, atol=0)
    torch.testing.assert_close(stats["supervised"], supervised.detach())
    torch.testing.assert_close(stats["distillation"], distilled.detach())
    torch.testing.assert_close((stats["loss_t2a"] + stats["loss_a2t"]) / 2, value.detach())
    gradients = torch.autograd.grad(value, [audio, text])
    for ours, theirs in zip(gradients, torch.autograd.grad(expected, [audio, text])):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-12)


def test_the_supervised_term_is_infonce_where_clips_have_equally_many_captions():
    audio, text, _, _ = example(0)
    owners = torch.tensor([1, 3, 2, 0])
    stage1 = CorrespondenceLoss(supervised_weight=1.0, distillation_weight=0.0)
    assert stage1.needs == ()
    value, _ = stage1(audio.float(), text[:4].float(), owners)
    expected, _ = InfoNCELoss(temperature=0.05)(audio, text[:4], owners)
    torch.testing.assert_close(value, expected)


def test_a_teacher_that_says_what_the_student_says_leaves_it_alone():
    audio, text, owners, _ = example(1)
    same = {"teacher_audio": audio.detach(), "teacher_text": text.detach()}
    value, _ = CorrespondenceLoss()(audio, text, owners, **same)
    for gradient in torch.autograd.grad(value, [audio, text]):
        torch.testing.assert_close(gradient, torch.zeros_like(gradient), atol=1e-12, rtol=0)


@pytest.mark.parametrize("only", [0, 2])
def test_captions_of_other_languages(only):
    """Each caption among those of other languages; with one language there is nothing to learn."""
    audio, text, owners, learned = example(0)
    langs = LANGS if only == 0 else torch.full_like(LANGS, only)
    loss = CorrespondenceLoss(language_weight=0.5)
    value, stats = loss(audio, text, owners, lang_index=langs, **joined(learned))
    plain, _ = CorrespondenceLoss()(audio, text, owners, **joined(learned))
    expected, counted = 0.0, 0
    for i in range(7):
        others = [j for j in range(7) if langs[j] != langs[i]]
        if others:
            counted += 1
            cosines = torch.stack([sum(t[i] @ t[j] for _, t in learned) / 3 for j in others])
            student = (text[others] @ text[i]) / 0.05
            expected = expected - ((cosines / 0.05).softmax(0) * student.log_softmax(0)).sum()
    expected = expected / max(counted, 1)
    torch.testing.assert_close(value, plain + 0.5 * expected)
    torch.testing.assert_close(
        stats["languages"].double(), torch.as_tensor(expected).double().detach()
    )
    assert loss.needs == ("teacher_audio", "teacher_text", "lang_index")
    assert all(torch.isfinite(part).all() for part in torch.autograd.grad(value, [audio, text]))


def test_scores_of_pairs_instead_of_embeddings():
    audio, text, owners, learned = example(2)
    loss = CorrespondenceLoss(supervised_weight=0.6, distillation_weight=0.3)
    expected, _ = loss(audio, text, owners, **joined(learned))
    similarity = (text @ audio.T).detach().requires_grad_()
    value, _ = loss.of_similarities(similarity, owners, **joined(learned))
    torch.testing.assert_close(value, expected)


def test_pairs_that_are_not_scored_are_as_if_not_there():
    audio, text, owners, learned = example(2)
    teachers = joined(learned)
    wanted = teachers["teacher_text"] @ teachers["teacher_audio"].T / 0.05
    similarity = (text @ audio.T).detach().requires_grad_()
    scored = torch.ones(7, 4, dtype=torch.bool)
    scored[1, 2] = scored[1, 3] = scored[4, 0] = False
    copies = torch.bincount(owners)
    expected = 0.0
    for caption in range(7):
        clips = [clip for clip in range(4) if scored[caption, clip] for _ in range(copies[clip])]
        student = (similarity[caption, clips] / 0.05).log_softmax(0)
        expected = expected - (wanted[caption, clips].softmax(0) * student).sum() / 14
        clip = owners[caption]
        captions = [other for other in range(7) if scored[other, clip]]
        student = (similarity[captions, clip] / 0.05).log_softmax(0)
        expected = expected - (wanted[captions, clip].softmax(0) * student).sum() / 14
    matrix = similarity.masked_fill(~scored, -torch.inf)
    value, _ = CorrespondenceLoss().of_similarities(matrix, owners, **teachers)
    torch.testing.assert_close(value, expected)
    gradients = [torch.autograd.grad(one, similarity)[0] for one in (value, expected)]
    torch.testing.assert_close(*gradients)


def test_a_rank_without_captions_loses_nothing():
    loss = CorrespondenceLoss(supervised_weight=1.0)
    nothing = torch.zeros(0, 8)
    value, _ = loss(
        nothing,
        nothing,
        torch.zeros(0, dtype=torch.long),
        teacher_audio=nothing,
        teacher_text=nothing,
    )
    assert value == 0


def test_joined_teachers_multiply_to_the_mean_cosine():
    generator = np.random.default_rng(3)
    clips, captions = ([generator.normal(size=(n, w)) for w in (3, 7)] for n in (4, 6))
    product = join_teachers(clips) @ join_teachers(captions).T
    each = [
        a @ t.T / np.linalg.norm(a, axis=1)[:, None] / np.linalg.norm(t, axis=1)
        for a, t in zip(clips, captions)
    ]
    np.testing.assert_allclose(product, sum(each) / 2)
    assert join_teachers([rows.astype(np.float32) for rows in clips]).dtype == np.float32


def test_a_trained_temperature_is_also_the_teachers_but_learns_from_the_student_alone():
    audio, text, owners, learned = example(0)
    loss = CorrespondenceLoss(temperature=0.1, learnable_temperature=True)
    value, _ = loss(audio, text, owners, **joined(learned))
    fixed = CorrespondenceLoss(temperature=0.1)
    torch.testing.assert_close(value, fixed(audio, text, owners, **joined(learned))[0])
    given = CorrespondenceLoss(temperature=0.1, learnable_temperature=True, teacher_temperature=0.1)
    apart, _ = given(audio, text, owners, **joined(learned))
    slopes = [
        torch.autograd.grad(v, part.temperature)[0] for v, part in ((value, loss), (apart, given))
    ]
    torch.testing.assert_close(*slopes)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"supervised_weight": -1.0}, "supervised_weight must be 0 or more, not -1.0"),
        ({"distillation_weight": 0.0}, "must be above 0"),
        ({"teacher_temperature": 0.0}, "teacher_temperature must be above 0, not 0.0"),
        ({"temperature": 0.0}, "temperature must be above 0"),
    ],
)
def test_mistakes_are_named(settings, message):
    with pytest.raises(UserError, match=message):
        CorrespondenceLoss(**settings)


_RANKS = """
import sys, torch
import torch.distributed as dist
from espnet_mlclap.objectives.correspondences import CorrespondenceLoss
sys.path.insert(0, sys.argv[1])
from test_correspondences import LANGS, example, joined

dist.init_process_group("gloo")
rank, world = dist.get_rank(), dist.get_world_size()
audio, text, owners, learned = example(3)
teachers = joined(learned)
settings = {"supervised_weight": 0.4, "language_weight": 0.3}
alone = CorrespondenceLoss(gather_across_ranks=False, **settings)
expected, _ = alone(audio, text, owners, lang_index=LANGS, **teachers)
expected_gradients = torch.autograd.grad(expected, [audio, text])
clips = [[0], [1, 2, 3]][rank]  # ranks of unlike sizes
rows = torch.tensor([row for row, owner in enumerate(owners.tolist()) if owner in clips])
own_audio = audio.detach()[clips].requires_grad_()
own_text = text.detach()[rows].requires_grad_()
index = torch.tensor([clips.index(owners[row]) for row in rows])
loss, _ = CorrespondenceLoss(**settings)(
    own_audio, own_text, index, lang_index=LANGS[rows],
    teacher_audio=teachers["teacher_audio"][clips], teacher_text=teachers["teacher_text"][rows],
)
weighted = loss * len(rows) / len(owners)  # what ESPnet's trainer does with the weights
gradients = torch.autograd.grad(weighted, [own_audio, own_text])
total = weighted.detach().clone()
dist.all_reduce(total)
torch.testing.assert_close(total, expected.detach(), rtol=1e-10, atol=0)
torch.testing.assert_close(gradients[0], expected_gradients[0][clips], rtol=1e-9, atol=1e-12)
torch.testing.assert_close(gradients[1], expected_gradients[1][rows], rtol=1e-9, atol=1e-12)
print("rank", rank, "agrees")
"""


def test_several_ranks_are_as_one(on_two_ranks):
    on_two_ranks(_RANKS)


def test_one_language_at_a_time_has_nothing_between_languages():
    with pytest.raises(UserError, match="objective: one_to_k looks at one language at a time"):
        OneToKObjective(model=torch.nn.Module(), loss=CorrespondenceLoss(language_weight=1.0))
