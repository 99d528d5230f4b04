"""The gradient cache: a step in chunks is the step of the whole batch, alone and over two ranks."""

import copy
import logging

import pytest
import torch

from espnet_mlclap.models.padding import pad
from espnet_mlclap.models.registry import build_model
from espnet_mlclap.objectives.registry import build_objective
from espnet_mlclap.utils.errors import UserError

CAPTIONS = [
    "A dog barks.",
    "Rain falls on a roof, then a car passes by.",
    "A bell.",
    "Two birds sing.",
]


def small_model(dropout=0.0, encoder="ced"):
    """CED with 0.2 s chunks (so that clips have several), or a fusion of two; and the small SONAR."""
    conf = {"embed_dim": 24, "depth": 2, "num_heads": 2, "chunk_frames": 32}
    conf |= {"patch_dropout_time": dropout, "patch_dropout_frequency": dropout}
    if encoder == "fusion":
        parts = [
            {"audio_encoder": "ced", "audio_encoder_conf": one}
            for one in (conf, {**conf, "depth": 1})
        ]
        conf = {"encoders": parts}
    torch.manual_seed(0)
    config = {
        "audio_encoder": encoder,
        "audio_encoder_conf": conf,
        "model_conf": {"embed_size": 16},
    }
    config |= {"text_encoder_conf": {"model": "sonar_mini_encoder", "dropout": dropout}}
    return build_model(config).train()


def make_batch(model, clips=5):
    """Clips of unlike lengths with one or two captions each, in two languages."""
    generator = torch.Generator().manual_seed(1)
    lengths = torch.tensor([8000, 3000, 12345, 5000, 700])[:clips]
    waves = [0.1 * torch.randn(int(n), generator=generator).numpy() for n in lengths]
    reader = model.audio_encoder.reader
    if hasattr(reader, "readers"):  # of a fusion
        from espnet_mlclap.models.audio_encoder.fusion import join

        waves = [join([wave, wave]) for wave in waves]
    audio, audio_lengths = pad(waves, 0.0)
    owners = [clip for clip in range(clips) for _ in range(1 + clip % 2)]
    tokenizer = model.text_encoder.tokenizer
    words = [CAPTIONS[row % len(CAPTIONS)] for row in range(len(owners))]
    text, text_lengths = pad([tokenizer(one, "eng_Latn") for one in words], tokenizer.pad_id)
    rows = torch.arange(len(owners))
    return {
        "audio": audio,
        "audio_lengths": audio_lengths,
        "text": text,
        "text_lengths": text_lengths,
        "clip_index": torch.tensor(owners),
        "lang_index": rows % 2,
        "source_index": rows // 2,
        "is_source": rows % 2 == 0,
        "words_index": rows,
        "clip_words": torch.tensor([[0]] * clips),
    }


def step(model, batch, objective="contrastive", loss="infonce", seed=3, **conf):
    """Loss, gradients and running statistics of one step from the same weights."""
    model = copy.deepcopy(model)
    config = {"objective": objective, "loss": loss, "objective_conf": conf}
    trained = build_objective(config, model)
    torch.manual_seed(seed)
    value, _, _ = trained(**batch)
    value.sum().backward()
    gradients = {
        name: weight.grad for name, weight in trained.named_parameters() if weight.grad is not None
    }
    return value.detach(), gradients, dict(model.named_buffers())


def assert_same(found, expected, tolerance=1e-4):
    torch.testing.assert_close(found[0], expected[0], rtol=1e-5, atol=1e-6)
    for ours, theirs in zip(found[1:], expected[1:]):
        assert list(ours) == list(theirs)
        for name, value in theirs.items():
            if value.is_floating_point():
                difference = (ours[name] - value).abs().max()
                assert difference <= tolerance * value.abs().max() + 1e-7, name
            else:
                assert torch.equal(ours[name], value), name


@pytest.mark.parametrize("chunk", [1, 2, 100])
@pytest.mark.parametrize("encoder", ["ced", "fusion"])
def test_a_step_in_chunks_is_the_step_of_the_batch(encoder, chunk):
    """Batch normalisation's statistics, and those that it keeps, included."""
    model = small_model(encoder=encoder)
    batch = make_batch(model)
    assert_same(step(model, batch, gradient_cache_chunk=chunk), step(model, batch))


@pytest.mark.parametrize(
    ("objective", "loss"),
    [("one_to_k", "infonce"), ("co_anchor", "sigmoid"), ("contrastive", "sigmoid")],
)
def test_with_every_objective(objective, loss):
    model = small_model()
    batch = make_batch(model)
    assert_same(
        step(model, batch, objective, loss, gradient_cache_chunk=2),
        step(model, batch, objective, loss),
    )


def test_dropout_drops_the_same_again():
    """Against the same chunks in one graph, where nothing is repeated."""
    model = small_model(dropout=0.4)
    batch = make_batch(model)
    found = step(model, batch, gradient_cache_chunk=2)
    whole = copy.deepcopy(model)
    objective = build_objective({}, whole)
    torch.manual_seed(3)
    clips = whole.across_clips(batch["audio"], batch["audio_lengths"])
    audio = [
        whole.encode_each_clip(*(one[start : start + 2] for one in clips)) for start in (0, 2, 4)
    ]
    order = batch["text_lengths"].argsort(stable=True)
    text = []
    for rows in order.split(2):
        lengths = batch["text_lengths"][rows]
        text.append(whole.encode_text(batch["text"][rows, : lengths.max()], lengths))
    loss, _ = objective.loss(
        torch.cat(audio), torch.cat(text)[order.argsort()], batch["clip_index"]
    )
    loss.backward()
    torch.testing.assert_close(found[0][0], loss.detach())
    for name, weight in objective.named_parameters():
        if weight.grad is not None:
            torch.testing.assert_close(found[1][name], weight.grad, rtol=1e-4, atol=1e-6)
    assert step(model, batch, gradient_cache_chunk=2, seed=4)[0] != found[0]


def test_memory_is_that_of_a_chunk():
    """What is kept for the backward pass, weights aside, when the loss is there."""
    model = small_model()
    batch = make_batch(model)

    def kept(**conf):
        sizes = {}

        def pack(tensor):
            sizes[tensor.untyped_storage().data_ptr()] = (tensor.untyped_storage().nbytes(), tensor)
            return tensor

        objective = build_objective({"objective_conf": conf}, copy.deepcopy(model))
        weights = {weight.untyped_storage().data_ptr() for weight in objective.parameters()}
        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            objective(**batch)
        return sum(size for place, (size, _) in sizes.items() if place not in weights)

    assert kept(gradient_cache_chunk=1) < kept() / 4


def test_deeper_batch_normalisation_is_named_and_counts_once(caplog):
    """An encoder whose batch normalisation comes after its first weights."""
    model = small_model()
    model.audio_projection = torch.nn.Sequential(
        torch.nn.Linear(24, 16), torch.nn.BatchNorm1d(16, momentum=None)
    )
    batch = make_batch(model)
    with caplog.at_level(logging.WARNING):
        _, _, buffers = step(model, batch, gradient_cache_chunk=3)
    assert "batch normalisation audio_projection.1 sees 3 clips at a time" in caplog.text
    assert buffers["audio_projection.1.num_batches_tracked"] == 2
    with pytest.raises(UserError, match="gradient_cache_chunk must be 1 or more, not 0"):
        step(model, batch, gradient_cache_chunk=0)


_RANKS = """
import copy, os, sys, torch
import torch.distributed as dist
sys.path.insert(0, sys.argv[1])
from test_gradient_cache import small_model, make_batch, assert_same
from espnet_mlclap.objectives.registry import build_objective

dist.init_process_group("gloo")
rank = dist.get_rank()
model = small_model()
batch = make_batch(model)
clips = [[0, 3], [1, 2, 4]][rank]
rows = torch.tensor([row for row, clip in enumerate(batch["clip_index"].tolist()) if clip in clips])
own = {name: value[rows] for name, value in batch.items() if len(value) == len(batch["text"])}
own |= {name: batch[name][clips] for name in ("audio", "audio_lengths", "clip_words")}
own["clip_index"] = torch.tensor([clips.index(clip) for clip in own["clip_index"].tolist()])

def step(**conf):
    objective = build_objective({"objective_conf": conf}, copy.deepcopy(model))
    parallel = torch.nn.parallel.DistributedDataParallel(objective)
    value, _, _ = parallel(**own)
    value.sum().backward()
    return value.detach(), {n: w.grad for n, w in objective.named_parameters() if w.grad is not None}

assert_same(step(gradient_cache_chunk=2), step())
print("rank", rank, "agrees")
"""


def test_over_two_ranks(on_two_ranks):
    on_two_ranks(_RANKS)
