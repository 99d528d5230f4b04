"""The model of pairs: chunks change nothing, frozen towers stay, encoders without tokens are refused."""

import pytest
import torch

from espnet_mlclap.models.registry import build_model
from espnet_mlclap.utils.errors import UserError

CONFIG = {
    "audio_encoder": "ced",
    "audio_encoder_conf": {"embed_dim": 24, "depth": 1, "num_heads": 2},
    "text_encoder": "sonar",
    "text_encoder_conf": {"model": "sonar_mini_encoder"},
    "model": "co_attention",
    "model_conf": {"embed_size": 16},
    "co_attention": "iterating",
    "co_attention_conf": {"iterations": 2, "width": 16, "heads": 2, "feed_forward": 24},
}


def build(**model_conf):
    torch.manual_seed(0)
    return build_model({**CONFIG, "model_conf": {"embed_size": 16, **model_conf}})


def inputs(model):
    """Three clips of different lengths and four captions."""
    audio = 0.1 * torch.randn(3, 24000, generator=torch.Generator().manual_seed(1))
    captions = [
        model.text_encoder.tokenizer(text, "eng_Latn")
        for text in ("A dog", "Rain falls on a roof", "A bell rings twice", "Wind")
    ]
    lengths = torch.tensor([len(caption) for caption in captions])
    text = torch.zeros(4, int(lengths.max()), dtype=torch.int64)
    for row, caption in zip(text, captions):
        row[: len(caption)] = torch.from_numpy(caption)
    return audio, torch.tensor([24000, 9000, 16000]), text, lengths


def scores(model, clip, caption, grad=False):
    audio, audio_lengths, text, text_lengths = inputs(model)
    with torch.set_grad_enabled(grad):
        return model.score_pairs(
            model.prepare_audio(model.audio_tokens(audio, audio_lengths)),
            model.prepare_text(model.text_tokens(text, text_lengths)),
            torch.tensor(clip),
            torch.tensor(caption),
        )


def test_chunks_and_neighbours_change_nothing():
    whole, chunked = build().eval(), build(pairs_per_chunk=2).eval()
    pairs = [(clip, caption) for clip in range(3) for caption in range(4)]
    expected = scores(whole, *zip(*pairs))
    assert torch.allclose(scores(chunked, *zip(*pairs)), expected, atol=1e-5)
    for pair, value in zip(pairs, expected):
        assert scores(whole, *([row] for row in pair)).item() == pytest.approx(
            value.item(), abs=1e-5
        )
    assert (expected.abs() <= 1).all()
    assert expected.std() > 1e-4


def test_gradients_of_chunks_are_those_of_the_whole():
    """Dropout included: what is computed again is computed with the same random numbers."""
    found = []
    for chunk in (64, 5):
        model = build(pairs_per_chunk=chunk).train()
        for block in model.co_attention.modules():
            if isinstance(block, torch.nn.Dropout):
                block.p = 0.0
            if isinstance(block, torch.nn.MultiheadAttention):
                block.dropout = 0.0
        pairs = [(clip, caption) for clip in range(3) for caption in range(4)]
        scores(model, *zip(*pairs), grad=True).square().sum().backward()
        found.append({k: p.grad for k, p in model.co_attention.named_parameters()})
    assert all(found[0][key] is not None for key in found[0])
    for key, gradient in found[0].items():
        assert torch.allclose(gradient, found[1][key], atol=1e-6), key


def test_frozen_towers_have_no_gradient_and_no_dropout():
    model = build().train()
    assert not model.audio_encoder.training
    assert not model.text_projection.training
    assert model.co_attention.training
    trained = {key.split(".")[0] for key, p in model.named_parameters() if p.requires_grad}
    assert trained == {"co_attention"}
    both = build(freeze_towers=False).train()
    assert both.audio_encoder.training
    assert both.audio_projection[0].weight.requires_grad


def test_it_embeds_as_its_towers_do():
    model = build().eval()
    towers = build_model({**CONFIG, "model": "two_tower", "model_conf": {"embed_size": 16}}).eval()
    own = {k: v for k, v in model.state_dict().items() if not k.startswith("co_attention.")}
    towers.load_state_dict(own)
    audio, audio_lengths, text, text_lengths = inputs(model)
    with torch.no_grad():
        assert torch.equal(
            model.encode_audio(audio, audio_lengths), towers.encode_audio(audio, audio_lengths)
        )
        assert torch.equal(
            model.encode_text(text, text_lengths), towers.encode_text(text, text_lengths)
        )


def test_an_encoder_without_tokens_is_refused_unless_asked_for():
    speech = {"model_dim": 16, "num_layers": 1, "num_heads": 2, "ffn_inner_dim": 16,
              "num_pooling_layers": 1}  # fmt: skip
    config = {**CONFIG, "audio_encoder": "sonar_speech", "audio_encoder_conf": speech}
    with pytest.raises(UserError, match="SonarSpeechEncoder gives one vector per clip.*one_token"):
        build_model(config)
    model = build_model({**config, "model_conf": {"embed_size": 16, "one_token": True}})
    assert model.co_attention.audio_input[1].in_features == 16


def test_maps_of_pairs():
    model = build().eval()
    audio, audio_lengths, text, text_lengths = inputs(model)
    with torch.no_grad():
        maps = model.attention_maps(
            model.prepare_audio(model.audio_tokens(audio, audio_lengths)),
            model.prepare_text(model.text_tokens(text, text_lengths)),
            torch.tensor([0, 1]),
            torch.tensor([2, 2]),
        )
    assert len(maps) == 2
    assert maps[0].text.shape[:3] == (2, 2, text_lengths[2])
