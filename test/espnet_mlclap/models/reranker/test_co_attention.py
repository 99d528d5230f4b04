"""Co-attention: a batch gives what single pairs give, the three forms are what they are called."""

import pytest
import torch

from espnet_mlclap.models.reranker.attention import AttentionBlock
from espnet_mlclap.models.reranker.co_attention import (
    IteratingCoAttention,
    SingleCoAttention,
    StackingCoAttention,
)
from espnet_mlclap.models.reranker.segments import mean_of_neighbours
from espnet_mlclap.models.tokens import Tokens, length_mask
from espnet_mlclap.utils.errors import UserError

SIZES = {"audio_size": 6, "text_size": 5, "width": 16, "heads": 4, "feed_forward": 24}
FORMS = {
    "single": (SingleCoAttention, {}),
    "stacking": (StackingCoAttention, {"modules": 3}),
    "iterating": (IteratingCoAttention, {"iterations": 3}),
}


def test_neighbours_are_averaged_whatever_the_padding():
    """A gap between real tokens, as encoders leave it that work in bands or chunks, is no neighbour."""
    values = torch.arange(12.0).reshape(2, 6, 1)
    mask = torch.tensor([[1, 1, 0, 1, 1, 1], [1, 0, 0, 1, 0, 0]], dtype=torch.bool)
    found = mean_of_neighbours(Tokens(values, mask), 2)
    assert found.values[0].flatten().tolist() == [0.5, 3.5, 5.0]
    assert found.values[1, :1].flatten().tolist() == [7.5]
    assert found.mask.tolist() == [[True, True, True], [True, False, False]]
    whole = mean_of_neighbours(Tokens(values), 4)
    assert whole.values[0].flatten().tolist() == [1.5, 4.5]


def build(form, **changes):
    cls, conf = FORMS[form]
    torch.manual_seed(0)
    return cls(**{**SIZES, **conf, **changes}).eval()


def batch(lengths, width, seed):
    """Tokens whose padding is NaN-free but large, so that a leak shows."""
    values = torch.randn(
        len(lengths), max(lengths), width, generator=torch.Generator().manual_seed(seed)
    )
    mask = length_mask(torch.tensor(lengths), max(lengths))
    return Tokens(values.masked_fill(~mask.unsqueeze(2), 50.0), mask)


@pytest.mark.parametrize("neighbours", [1, 2])
@pytest.mark.parametrize("form", FORMS)
def test_a_padded_batch_gives_what_single_pairs_give(form, neighbours):
    model = build(form, audio_neighbours=neighbours)
    audio, text = batch([7, 1, 4], 6, 1), batch([2, 5, 3], 5, 2)
    together = model(model.prepare_audio(audio), model.prepare_text(text))
    for row in range(3):
        own_audio, own_text = Tokens(audio.real(row)[None]), Tokens(text.real(row)[None])
        alone = model(model.prepare_audio(own_audio), model.prepare_text(own_text))
        for many, one in zip(together, alone):
            assert torch.allclose(many[row], one[0], atol=1e-5)


def test_one_module_and_one_iteration_are_the_single_form():
    single = build("single")
    states = single.state_dict()
    audio, text = batch([3, 2], 6, 1), batch([2, 4], 5, 2)
    prepared = single.prepare_audio(audio), single.prepare_text(text)
    stacking = build("stacking", modules=1)
    stacking.load_state_dict(
        {
            key.replace("guided.", "guided.0.", 1) if key.startswith("guided.") else key: value
            for key, value in states.items()
        }
    )
    iterating = build("iterating", iterations=1)
    iterating.load_state_dict(states)
    for other in (stacking, iterating):
        for ours, theirs in zip(single(*prepared), other(*prepared)):
            assert torch.equal(ours, theirs)


def test_iterating_is_stacking_with_shared_guides_and_no_further_self_attention():
    """The naive loop: the same two blocks three times, each side looking at what the other was before."""
    model = build("iterating")
    audio, text = batch([3, 2], 6, 1), batch([2, 4], 5, 2)
    a, t = model.prepare_audio(audio), model.prepare_text(text)
    expected_a, expected_t = a, t
    for _ in range(3):
        new_a = model.guided.audio(expected_a, expected_t)[0]
        expected_t = model.guided.text(expected_t, expected_a)[0]
        expected_a = new_a
    found = model(a, t)
    assert torch.equal(found[0], model.audio_pooling(expected_a))
    assert torch.equal(found[1], model.text_pooling(expected_t))
    assert sum(p.numel() for p in build("iterating", iterations=5).parameters()) == sum(
        p.numel() for p in model.parameters()
    )


def test_stacked_modules_have_weights_of_their_own():
    counts = [sum(p.numel() for p in build("stacking", modules=n).parameters()) for n in (1, 2, 3)]
    assert counts[1] - counts[0] == counts[2] - counts[1] > 0


def test_a_block_is_attention_written_out():
    torch.manual_seed(1)
    block = AttentionBlock(width=6, heads=2, feed_forward=9, dropout=0.0).eval()
    tokens, other = batch([3], 6, 1), batch([4, 2], 6, 2)
    tokens = Tokens(tokens.values.expand(2, -1, -1), None)
    found, weights = block(tokens, other, with_map=True)
    attention, x, y = block.attention, tokens.values[1], other.real(1)
    parts = zip(attention.in_proj_weight.split(6), attention.in_proj_bias.split(6), (x, y, y))
    query, key, value = (part @ weight.T + bias for weight, bias, part in parts)
    heads = []
    for head in range(2):
        columns = slice(3 * head, 3 * head + 3)
        weight = (query[:, columns] @ key[:, columns].T / 3**0.5).softmax(dim=1)
        assert torch.allclose(weights[1, head, :, :2], weight, atol=1e-6)
        assert (weights[1, head, :, 2:] == 0).all()
        heads.append(weight @ value[:, columns])
    x = block.attention_norm(x + attention.out_proj(torch.cat(heads, dim=1)))
    assert torch.allclose(
        found.values[1], block.feed_forward_norm(x + block.feed_forward(x)), atol=1e-5
    )


def test_maps_are_weights_over_the_real_tokens_of_the_other_side():
    model = build("stacking")
    maps = []
    audio, text = batch([3, 2], 6, 1), batch([2, 4], 5, 2)
    model(model.prepare_audio(audio), model.prepare_text(text), maps)
    assert len(maps) == 3
    assert maps[0].audio.shape == (2, 4, 3, 4)
    assert maps[0].text.shape == (2, 4, 4, 3)
    for one in maps:
        assert torch.allclose(one.audio.sum(dim=3), torch.ones(2, 4, 3), atol=1e-5)
        assert (one.audio[0, :, :, 2:] == 0).all()
        assert (one.text[1, :, :, 2:] == 0).all()


@pytest.mark.parametrize(
    ("form", "changes", "message"),
    [
        ("single", {"heads": 3}, "width 16 is not a multiple of heads 3"),
        ("single", {"dropout": 1.0}, "dropout in"),
        ("single", {"audio_neighbours": 0}, "audio_neighbours must be 1 or more"),
        ("stacking", {"modules": 0}, "modules must be 1 or more"),
        ("iterating", {"iterations": 0}, "iterations must be 1 or more"),
    ],
)
def test_numbers_out_of_range_are_named(form, changes, message):
    with pytest.raises(UserError, match=message):
        build(form, **changes)
