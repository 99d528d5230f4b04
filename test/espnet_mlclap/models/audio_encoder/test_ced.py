"""CED: a clip's embedding depends on that clip alone, at any length, and on all of its tokens."""

import random

import pytest
import torch

from espnet_mlclap.checkpoints.ced_sizes import SIZES
from espnet_mlclap.models.audio_encoder.ced import CEDAudioEncoder
from espnet_mlclap.models.pooling import MaxOfSegmentsPooling
from espnet_mlclap.utils.errors import UserError

SMALL = {"embed_dim": 24, "depth": 2, "num_heads": 3}


@pytest.fixture(scope="module")
def encoder() -> CEDAudioEncoder:
    """A small encoder whose weights are large enough for every part to matter."""
    return lively(CEDAudioEncoder(**SMALL)).eval()


def lively(model: CEDAudioEncoder) -> CEDAudioEncoder:
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(0.3 * torch.randn(parameter.shape, generator=generator))
        model.init_bn["1"].running_mean.fill_(-30.0)
        model.init_bn["1"].running_var.fill_(400.0)
        model.init_bn["1"].weight.fill_(1.0)
    return model


def sound(samples: int, scale: float = 0.3) -> torch.Tensor:
    clip = scale * torch.randn(samples, generator=torch.Generator().manual_seed(samples))
    clip[samples // 2 :] *= 0.01
    return clip


def batch(clips, extra: int = 0):
    lengths = torch.tensor([len(clip) for clip in clips])
    audio = torch.zeros(len(clips), int(lengths.max()) + extra)
    for row, clip in zip(audio, clips):
        row[: len(clip)] = clip
    return audio, lengths


# around the edges of a patch (2,400), of a chunk (161,920) and of two chunks (323,680)
LENGTHS = [1600, 2399, 2400, 8000, 40000, 80000, 120000, 159999, 161760, 161919, 161920]
LENGTHS += [164319, 164480, 200000, 323680, 400000]


@torch.no_grad()
def test_an_embedding_is_the_same_alone_and_in_any_batch(encoder):
    clips = [sound(n, scale=1e-4 if i % 3 else 0.5) for i, n in enumerate(LENGTHS)]
    alone = torch.cat([encoder(*batch([clip])).mean() for clip in clips])
    assert alone.std(0).mean() > 0.05, "embeddings differ between clips"
    together = encoder(*batch(clips, extra=12345)).mean()
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=0)
    generator = random.Random(0)
    for _ in range(3):
        chosen = generator.sample(range(len(clips)), 4)
        some = encoder(*batch([clips[i] for i in chosen], extra=generator.randrange(5000))).mean()
        torch.testing.assert_close(some, alone[chosen], atol=1e-5, rtol=0)


@torch.no_grad()
def test_ten_minutes_in_a_batch_with_a_tenth_of_a_second(encoder):
    long, short = sound(600 * 16000), sound(1600)
    together = encoder(*batch([short, long])).mean()
    torch.testing.assert_close(together[0], encoder(*batch([short])).mean()[0], atol=1e-5, rtol=0)
    torch.testing.assert_close(together[1], encoder(*batch([long])).mean()[0], atol=1e-5, rtol=0)


@torch.no_grad()
@pytest.mark.parametrize("mode", ["default", "reference"])
@pytest.mark.parametrize("samples", [0, 1, 160, 256, 257, 2399, 161919, 161920, 323679])
def test_no_length_crashes(encoder, mode, samples):
    model = lively(CEDAudioEncoder(**SMALL, mode=mode)).eval()
    assert torch.isfinite(model(*batch([sound(samples)])).mean()).all()
    assert torch.isfinite(model.train()(*batch([sound(samples)])).mean()).all()


@torch.no_grad()
def test_modes_agree_on_a_clip_alone_that_fits_one_chunk(encoder):
    reference = lively(CEDAudioEncoder(**SMALL, mode="reference")).eval()
    for samples in (2400, 16000, 80000, 161760, 161919):
        alone = batch([sound(samples)])
        torch.testing.assert_close(
            encoder(*alone).mean(), reference(*alone).mean(), atol=1e-6, rtol=0
        )


@torch.no_grad()
def test_a_long_clip_is_the_mean_of_its_tokens(encoder):
    clip = batch([sound(400000)])  # 2,501 frames: 1,012 + 1,012 + 477
    tokens = encoder(*clip)
    assert tokens.segment[0].bincount().tolist() == [4 * 63, 4 * 63, 4 * 29]
    torch.testing.assert_close(tokens.mean()[0], tokens.values[0].mean(0), atol=1e-5, rtol=0)
    # each chunk as it comes out by itself: frames are cut, not windows of samples
    mel = encoder.front_end(*clip)
    for number, start in enumerate((0, 1012, 2024)):
        piece = mel[:, start : start + 1012]
        alone = encoder(piece, torch.tensor([piece.shape[1]])).real(0)
        own = tokens.real(0)[tokens.segment[0] == number]
        torch.testing.assert_close(own, alone, atol=1e-5, rtol=0)


@torch.no_grad()
def test_maximum_over_chunks():
    model = lively(CEDAudioEncoder(**SMALL)).eval()
    pooling = MaxOfSegmentsPooling(input_size=model.output_size())
    tokens = model(*batch([sound(400000), sound(16000)]))
    for row, embedding in enumerate(pooling(tokens)):
        own, segment = tokens.real(row), tokens.segment[row][tokens.mask[row]]
        expected = torch.stack([own[segment == n].mean(0) for n in segment.unique()]).amax(0)
        torch.testing.assert_close(embedding, expected, atol=1e-5, rtol=0)


@torch.no_grad()
def test_features_in_place_of_waveforms(encoder):
    audio, lengths = batch([sound(16000), sound(30000)])
    features = encoder.front_end(audio, lengths)
    from_features = encoder(features, 1 + lengths // 160).mean()
    torch.testing.assert_close(from_features, encoder(audio, lengths).mean(), atol=1e-6, rtol=0)
    empty = encoder(features, torch.tensor([0, 0])).mean()
    assert torch.isfinite(empty).all()
    with pytest.raises(ValueError, match="64 mel bins, not 80"):
        encoder(torch.zeros(1, 20, 80), torch.tensor([20]))
    with pytest.raises(ValueError, match=r"not of shape \(5,\)"):
        encoder(torch.zeros(5), torch.tensor([5]))


@torch.no_grad()
def test_long_clips_go_through_in_passes(encoder, monkeypatch):
    clips = batch([sound(400000), sound(16000), sound(200000)])
    expected = encoder(*clips).mean()
    monkeypatch.setattr("espnet_mlclap.models.audio_encoder.ced._PATCHES_PER_PASS", 64)
    torch.testing.assert_close(encoder(*clips).mean(), expected, atol=1e-5, rtol=0)


def test_training_is_invariant_to_padding_too():
    settings = {**SMALL, "patch_dropout_time": 0.0, "patch_dropout_frequency": 0.0}
    tight = lively(CEDAudioEncoder(**settings)).train()
    padded = lively(CEDAudioEncoder(**settings)).train()
    clips = [sound(n) for n in (2000, 16000, 50000, 170000)]
    first, second = tight(*batch(clips)).mean(), padded(*batch(clips, extra=100000)).mean()
    torch.testing.assert_close(first, second, atol=1e-5, rtol=0)
    first.square().sum().backward()
    second.square().sum().backward()
    for (name, one), other in zip(tight.named_parameters(), padded.parameters()):
        if one.grad is not None:
            torch.testing.assert_close(one.grad, other.grad, atol=1e-3, rtol=1e-3, msg=name)
    norm, other = tight.init_bn["1"], padded.init_bn["1"]
    torch.testing.assert_close(norm.running_mean, other.running_mean)
    # the statistics are those of all real frames, each counted once
    audio, lengths = batch(clips)
    frames = tight.front_end(audio, lengths)
    real = torch.cat([row[: 1 + n // 160] for row, n in zip(frames, lengths.tolist())])
    expected = 0.99 * -30.0 + 0.01 * real.mean(0)
    torch.testing.assert_close(norm.running_mean, expected, atol=1e-4, rtol=0)


def test_patch_dropout_only_while_training_and_reproducible():
    model = lively(CEDAudioEncoder(**SMALL))
    clips = batch([sound(40000), sound(90000)])
    model.train()
    torch.manual_seed(1)
    first = model(*clips).mean()
    torch.manual_seed(1)
    assert torch.equal(first, model(*clips).mean())
    assert not torch.allclose(first, model(*clips).mean())
    tokens = model(*clips)
    assert [len(tokens.real(row)) for row in range(2)] == [3 * (15 - 3), 3 * (35 - 8)]
    model.eval()
    with torch.no_grad():
        assert torch.equal(model(*clips).mean(), model(*clips).mean())


def test_every_trained_parameter_gets_a_gradient_and_the_tagging_head_none():
    model = CEDAudioEncoder(**SMALL).train()
    model(*batch([sound(16000), sound(200000)])).mean().sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.requires_grad == (not name.startswith("outputlayer."))
        assert (parameter.grad is not None) == parameter.requires_grad, name


@torch.no_grad()
def test_tagging_probabilities(encoder):
    clips = batch([sound(16000), sound(400000)])
    probabilities = encoder.tagging_probabilities(*clips)
    assert probabilities.shape == (2, 527)
    alone = encoder(*batch([sound(16000)])).mean()
    torch.testing.assert_close(probabilities[0], encoder.outputlayer(alone)[0].sigmoid())


@torch.no_grad()
def test_bfloat16_autocast_stays_close(encoder):
    clips = batch([sound(16000), sound(50000)])
    expected = encoder(*clips).mean()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = encoder(*clips).mean()
    assert output.dtype == torch.float32
    assert torch.nn.functional.cosine_similarity(output, expected).min() > 0.999


@pytest.mark.parametrize("size", SIZES)
def test_published_sizes(size):
    with torch.device("meta"):
        model = CEDAudioEncoder(size=size)
    millions = {"tiny": 5.5, "mini": 9.6, "small": 22, "base": 86}[size]  # the paper's table 1
    total = sum(parameter.numel() for parameter in model.parameters())
    assert total == pytest.approx(1e6 * millions, rel=0.02)
    assert model.output_size() == SIZES[size][0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"size": "huge"}, "tiny, mini, small, base, not 'huge'"),
        ({"size": "tiny", "depth": 3}, "either size or"),
        ({"embed_dim": 96, "depth": 3}, "all of embed_dim"),
        ({"embed_dim": 100, "depth": 3, "num_heads": 3}, r"\(100\).*\(3\)"),
        ({**SMALL, "mode": "fast"}, "'default' or 'reference', not 'fast'"),
        ({**SMALL, "patch_dropout_time": 1.0}, "patch_dropout_time .* not 1.0"),
        ({**SMALL, "chunk_frames": 8}, "16 or more, not 8"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(UserError, match=message):
        CEDAudioEncoder(**arguments)
