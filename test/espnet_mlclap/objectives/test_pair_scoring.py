"""Training on pairs: against the loss written as a loop, and a batch that is learnt by heart."""

import pytest
import torch

from espnet_mlclap.models.registry import build_model
from espnet_mlclap.objectives.correspondences import CorrespondenceLoss
from espnet_mlclap.objectives.infonce import InfoNCELoss
from espnet_mlclap.objectives.infonce_same_words import SameWordsInfoNCELoss
from espnet_mlclap.objectives.pair_scoring import PairScoringObjective, hard_pairs
from espnet_mlclap.objectives.registry import build_objective
from espnet_mlclap.utils.errors import UserError

CONFIG = {
    "audio_encoder": "ced",
    "audio_encoder_conf": {"embed_dim": 24, "depth": 1, "num_heads": 2},
    "text_encoder": "sonar",
    "text_encoder_conf": {"model": "sonar_mini_encoder"},
    "model": "co_attention",
    "co_attention": "single",
    "co_attention_conf": {"width": 32, "heads": 2, "feed_forward": 32, "dropout": 0.0},
    "objective": "pair_scoring",
}


def build(objective_conf=None, **model_conf):
    torch.manual_seed(0)
    config = {**CONFIG, "model_conf": {"embed_size": 16, **model_conf}}
    return build_objective({**config, "objective_conf": objective_conf or {}}, build_model(config))


def batch(objective, clips=4, captions=(0, 0, 1, 2, 3)):
    """Tones of different pitch, and captions that say which."""
    time = torch.arange(12000) / 16000
    audio = torch.stack([torch.sin(2 * torch.pi * 300 * (k + 1) * time) for k in range(clips)])
    words = ["A dog barks", "Rain falls", "A bell rings", "The wind blows", "Birds sing"]
    tokens = [
        objective.model.text_encoder.tokenizer(words[n], "eng_Latn") for n in range(len(captions))
    ]
    lengths = torch.tensor([len(one) for one in tokens])
    text = torch.zeros(len(tokens), int(lengths.max()), dtype=torch.int64)
    for row, one in zip(text, tokens):
        row[: len(one)] = torch.from_numpy(one)
    return {
        "audio": 0.3 * audio,
        "audio_lengths": torch.full((clips,), 12000),
        "text": text,
        "text_lengths": lengths,
        "clip_index": torch.tensor(captions),
    }


def test_similarities_of_embeddings_give_the_loss_of_embeddings():
    generator = torch.Generator().manual_seed(1)
    audio = torch.nn.functional.normalize(torch.randn(4, 8, generator=generator), dim=1)
    text = torch.nn.functional.normalize(torch.randn(6, 8, generator=generator), dim=1)
    index = torch.tensor([0, 0, 1, 2, 3, 3])
    words = {
        "words_index": torch.tensor([5, 6, 5, 7, 8, 9]),
        "clip_words": torch.tensor([[5, 6], [5, -1], [7, -1], [8, 9]]),
    }
    for loss, needed in ((InfoNCELoss(), {}), (SameWordsInfoNCELoss(), words)):
        expected, stats = loss(audio, text, index, **needed)
        found, own = loss.of_similarities(text @ audio.T, index, **needed)
        assert found.item() == pytest.approx(expected.item(), rel=1e-6)
        assert own["loss_t2a"].item() == pytest.approx(stats["loss_t2a"].item(), rel=1e-6)


@pytest.mark.parametrize("hard", [0, 1])
def test_the_loss_is_that_of_the_naive_loop(hard):
    objective = build({"hard_negatives": hard}).eval()
    given = batch(objective)
    with torch.no_grad():
        loss, stats, weight = objective(**given)
        model = objective.model
        audio = model.prepare_audio(model.audio_tokens(given["audio"], given["audio_lengths"]))
        text = model.prepare_text(model.text_tokens(given["text"], given["text_lengths"]))
        similarity = torch.stack(
            [
                model.score_pairs(audio, text, torch.arange(4), torch.full((4,), caption))
                for caption in range(5)
            ]
        )
        scored = torch.ones(5, 4, dtype=torch.bool)
        if hard:
            towers = (
                model.encode_text(given["text"], given["text_lengths"])
                @ model.encode_audio(given["audio"], given["audio_lengths"]).T
            )
            scored = hard_pairs(towers, given["clip_index"], hard)
            assert scored.sum() < 20
    logits = (similarity / 0.07).masked_fill(~scored, -torch.inf)
    index = given["clip_index"]
    expected = 0.0
    for caption in range(5):
        own = logits[caption, index[caption]]
        row = sum(
            logits[caption, clip].exp() for clip in index
        )  # a clip once for each of its captions
        column = sum(logits[other, index[caption]].exp() for other in range(5))
        expected += (row.log() - own + column.log() - own) / 10
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
    assert weight.item() == 5
    assert stats["pairs"].item() == scored.sum()


@pytest.mark.parametrize("loss_class", [InfoNCELoss, CorrespondenceLoss])
def test_pairs_that_do_not_count_give_no_gradient_but_a_finite_one(loss_class):
    similarity = torch.tensor([[0.9, -torch.inf], [0.3, 0.2]], requires_grad=True)
    loss = loss_class(learnable_temperature=True)
    needed = {name: torch.tensor([[1.0, 0.0], [0.6, 0.8]]) for name in loss.needs}
    value, _ = loss.of_similarities(similarity, torch.tensor([0, 1]), **needed)
    value.backward()
    assert torch.isfinite(similarity.grad).all()
    assert similarity.grad[0, 1] == 0
    assert torch.isfinite(loss.temperature.grad)


def test_hard_pairs_are_the_most_similar_others_and_the_own():
    similarity = torch.tensor([[0.9, 0.5, 0.1], [0.8, 0.2, 0.3]])
    scored = hard_pairs(similarity, torch.tensor([0, 1]), 1)
    assert scored.tolist() == [[True, True, False], [True, True, True]]


@pytest.mark.parametrize("form", ["single", "stacking", "iterating"])
def test_a_batch_is_learnt_by_heart(form):
    torch.manual_seed(0)
    config = {**CONFIG, "co_attention": form, "model_conf": {"embed_size": 16}}
    objective = build_objective(config, build_model(config)).train()
    given = batch(objective, captions=(0, 1, 2, 3))
    weights = [p for p in objective.parameters() if p.requires_grad]
    optimizer = torch.optim.Adam(weights, lr=0.003)
    for _ in range(80):
        loss, _, _ = objective(**given)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.05  # chance is log 4 = 1.39


_RANKS = """
import sys, torch
import torch.distributed as dist
sys.path.insert(0, sys.argv[1])
from test_pair_scoring import batch, build
from espnet_mlclap.objectives.gather import of_first_rank

CAPTIONS = (0, 0, 1, 2, 3)

def step(conf, given, frozen, parallel):
    objective = build(conf, freeze_towers=frozen).eval()  # CED's batch normalisation is a matter of its own
    if parallel:
        objective = torch.nn.parallel.DistributedDataParallel(objective)
    loss, stats, weight = objective(**given)
    if parallel:  # as the trainer: every caption of every rank counts the same
        total = weight.detach().clone()
        dist.all_reduce(total)
        loss = loss * weight * 2 / total
    loss.sum().backward()
    named = (objective.module if parallel else objective).named_parameters()
    if parallel:
        loss = loss.detach()
        dist.all_reduce(loss)
        loss = loss / 2
        dist.all_reduce(stats["pairs"])
    return loss.detach(), stats["pairs"], {n: w.grad for n, w in named if w.grad is not None}

whole = batch(build(), captions=CAPTIONS)
whole["audio_lengths"] = torch.tensor([12000, 9000, 12000, 12000])
settings = [({}, True), ({"hard_negatives": 1}, True), ({"hard_negatives": 1, "towers_weight": 0.5}, False)]
expected = [step(conf, whole, frozen, False) for conf, frozen in settings]
dist.init_process_group("gloo")
rank = dist.get_rank()
clips, rows = ([1], [2]) if rank else ([0, 2, 3], [0, 1, 3, 4])
own = {name: whole[name][clips] for name in ("audio", "audio_lengths")}
own |= {name: whole[name][rows] for name in ("text", "text_lengths", "clip_index")}
own["clip_index"] = torch.tensor([clips.index(clip) for clip in own["clip_index"].tolist()])
own["audio"] = own["audio"][:, : own["audio_lengths"].max()]
own["text"] = own["text"][:, : own["text_lengths"].max()]
for (conf, frozen), (loss, pairs, gradients) in zip(settings, expected):
    found, found_pairs, found_gradients = step(conf, own, frozen, True)
    torch.testing.assert_close(found, loss, rtol=1e-5, atol=1e-6)
    assert found_pairs == pairs, (conf, found_pairs, pairs)
    assert found_gradients.keys() == gradients.keys()
    for name, gradient in gradients.items():
        torch.testing.assert_close(found_gradients[name], gradient, rtol=1e-4, atol=1e-6, msg=name)
assert of_first_rank({"rank": rank}, torch.device("cpu")) == {"rank": 0}
print("rank", rank, "agrees")
"""


def test_two_ranks_are_as_one(on_two_ranks):
    on_two_ranks(_RANKS)


def test_trained_towers_learn_from_both():
    objective = build({"towers_weight": 0.5}, freeze_towers=False).train()
    loss, stats, _ = objective(**batch(objective))
    loss.sum().backward()
    assert objective.model.audio_projection[0].weight.grad.abs().sum() > 0
    assert objective.model.co_attention.audio_input[1].weight.grad.abs().sum() > 0
    assert objective.model.audio_encoder.patch_embed.proj.weight.grad.abs().sum() > 0


def test_what_does_not_go_together_is_said():
    with pytest.raises(UserError, match="Towers that are trained need a weight above 0"):
        build({}, freeze_towers=False)
    with pytest.raises(UserError, match="hard_negatives"):
        build({"hard_negatives": -1})
    with pytest.raises(UserError, match="SigmoidLoss needs embeddings"):
        build_objective({**CONFIG, "loss": "sigmoid"}, build_model(CONFIG))
    languages = {"loss": "correspondences", "loss_conf": {"language_weight": 1.0}}
    with pytest.raises(UserError, match="language_weight compares captions with captions"):
        build_objective({**CONFIG, **languages}, build_model(CONFIG))
    for name in ("contrastive", "one_to_k", "co_anchor"):
        with pytest.raises(UserError, match="model: co_attention scores pairs"):
            build_objective({**CONFIG, "objective": name}, build_model(CONFIG))
    config = {**CONFIG, "model": "two_tower", "model_conf": {"embed_size": 16}}
    with pytest.raises(UserError, match="needs a model of pairs"):
        build_objective(config, build_model(config))
    assert PairScoringObjective.reported == ("loss", "loss_t2a", "loss_a2t", "pairs")
