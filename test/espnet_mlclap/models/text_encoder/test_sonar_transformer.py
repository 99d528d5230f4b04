"""Our module of SONAR's text encoder against sonar-space's, and that it computes nothing for padding."""

from dataclasses import asdict

import pytest
import torch

from espnet_mlclap.checkpoints.sonar_architecture import read_architecture
from espnet_mlclap.models.text_encoder import sonar_transformer
from espnet_mlclap.models.text_encoder.sonar_transformer import SonarTransformer

LENGTHS = torch.tensor([5, 9, 5, 2, 20, 9])
SPECIAL = {"unk_idx": 1, "bos_idx": 2, "eos_idx": 3}
SMALL = {
    "model_dim": 64,
    "max_seq_len": 20,
    "vocab_info": {"size": 300, "pad_idx": 1, **SPECIAL},
    "num_encoder_layers": 3,
    "num_decoder_layers": 1,
    "num_encoder_attn_heads": 4,
    "num_decoder_attn_heads": 4,
    "ffn_inner_dim": 128,
    "pooling": "mean",
    "emb_dropout_p": 0.0,
    "attention_dropout_p": 0.0,
    "activation_dropout_p": 0.0,
    "_from_fairseq": True,
}
VARIANTS = {
    "published": {},
    "learned positions": {"learned_pos": True},
    "no positions": {"no_token_positional_embeddings": True},
    "no scale, GELU": {"no_scale_embedding": True, "activation_fn": "GELU"},
    "padding 0": {"vocab_info": {"size": 300, "pad_idx": 0, **SPECIAL}, "_from_fairseq": False},
    "no padding": {"vocab_info": {"size": 300, "pad_idx": None, **SPECIAL}, "_from_fairseq": False},
}


def of_sonar_space(architecture):
    sonar_text = pytest.importorskip("sonar.models.sonar_text")
    from fairseq2.data.tokenizers import VocabularyInfo

    fields = asdict(architecture)
    fields["vocab_info"] = VocabularyInfo(**fields["vocab_info"])
    return sonar_text.SonarTextEncoderFactory(
        sonar_text.SonarTextEncoderConfig(**fields)
    ).create_model()


@pytest.fixture(params=VARIANTS)
def both(request):
    """The same random model twice, theirs and ours, and token ids."""
    architecture = read_architecture({**SMALL, **VARIANTS[request.param]})
    torch.manual_seed(1)
    theirs = of_sonar_space(architecture)
    ours = SonarTransformer(architecture)
    ours.load_state_dict(theirs.state_dict())
    with torch.no_grad():  # `<unk>` is used although it is the padding
        for model in (theirs, ours):
            model.get_parameter("encoder_frontend.embed.weight")[1] = 0.1
    text = torch.randint(0, 300, (len(LENGTHS), int(LENGTHS.max())))
    text[0, 1] = 1
    return theirs, ours, text


def run_theirs(model, text, lengths=LENGTHS):
    from fairseq2.nn import BatchLayout

    return model(text, BatchLayout.of(text, seq_lens=lengths.tolist())).encoded_seqs


@pytest.mark.parametrize("training", [False, True])
def test_features_and_gradients_are_those_of_sonar_space(both, training):
    theirs, ours, text = both
    features, mask, _ = ours.train(training)(text, LENGTHS)
    assert torch.equal(mask.sum(1), LENGTHS)
    expected = run_theirs(theirs.train(training), text)[mask]
    torch.testing.assert_close(features[mask], expected, rtol=0, atol=1e-5)
    assert not features[~mask].any()
    weights = torch.randn(expected.shape)
    (expected * weights).sum().backward()
    (features[mask] * weights).sum().backward()
    gradients = {name: parameter.grad for name, parameter in theirs.named_parameters()}
    for name, parameter in ours.named_parameters():
        scale = max(1.0, float(gradients[name].abs().max()))
        torch.testing.assert_close(parameter.grad, gradients[name], rtol=0, atol=1e-5 * scale)


def test_bfloat16(both):
    """As far from float32 as sonar-space's module is, and from that by rounding alone (1 in 128)."""
    theirs, ours, text = both
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        features, mask, _ = ours.eval()(text, LENGTHS)
        expected = run_theirs(theirs.eval(), text)[mask]
    assert features.dtype == expected.dtype == torch.float32
    torch.testing.assert_close(features[mask], expected, rtol=2**-7, atol=2**-5)
    assert (features[mask] - expected).square().mean().sqrt() < 2**-8


@pytest.mark.parametrize("name", VARIANTS)
def test_initial_values_are_those_of_sonar_space(name):
    architecture = read_architecture({**SMALL, **VARIANTS[name]})
    torch.manual_seed(5)
    expected, after = of_sonar_space(architecture).state_dict(), torch.rand(1)
    torch.manual_seed(5)
    states = SonarTransformer(architecture).state_dict()
    assert torch.equal(torch.rand(1), after)  # what is built next is the same too
    assert states.keys() == expected.keys()
    for key, tensor in states.items():
        assert torch.equal(tensor, expected[key]), key


def test_the_padding_token_gets_no_gradient():
    model = SonarTransformer(read_architecture(SMALL))
    model(torch.tensor([[1, 4, 1]]), torch.tensor([3])).values.square().sum().backward()
    gradient = model.encoder_frontend.embed.weight.grad
    assert not gradient[1].any()
    assert gradient[4].any()


def watch_attention(monkeypatch, option="attn_mask"):
    """The shape [captions, h, tokens, d / h] and one option of every call of attention from here on."""
    calls = []
    attention = sonar_transformer.scaled_dot_product_attention

    def recorded(query, key, value, **options):
        calls.append((tuple(query.shape), options.get(option)))
        return attention(query, key, value, **options)

    monkeypatch.setattr(sonar_transformer, "scaled_dot_product_attention", recorded)
    return calls


def test_nothing_is_computed_for_padding(monkeypatch):
    model = SonarTransformer(read_architecture({**SMALL, "num_encoder_layers": 1})).eval()
    rows = []
    model.encoder.layers[0].ffn.register_forward_hook(lambda _, inputs, __: rows.append(inputs[0]))
    calls = watch_attention(monkeypatch)
    text = torch.randint(4, 300, (len(LENGTHS), 20))
    features, mask, _ = model(text, LENGTHS)
    assert rows[0].shape == (int(LENGTHS.sum()), 64)
    assert [shape for shape, _ in calls] == [
        (1, 4, 2, 16),
        (2, 4, 5, 16),
        (2, 4, 9, 16),
        (1, 4, 20, 16),
    ]
    assert all(attn_mask is None for _, attn_mask in calls)
    for row, length in enumerate(LENGTHS.tolist()):  # each caption is where it was
        alone = model(text[row : row + 1, :length], torch.tensor([length])).values
        torch.testing.assert_close(features[row, :length], alone[0], rtol=0, atol=1e-5)


def test_captions_of_one_length_are_one_call(monkeypatch):
    model = SonarTransformer(read_architecture({**SMALL, "num_encoder_layers": 1}))
    calls = watch_attention(monkeypatch)
    assert model(torch.randint(4, 300, (3, 7)), torch.tensor([7, 7, 7])).mask is None
    assert calls == [((3, 4, 7, 16), None)]


def test_where_dropout_is(monkeypatch):
    """Dropping everything shows what is dropped: embeddings, what a block adds, its inner activations."""
    text, place = torch.randint(4, 300, (7,)), torch.arange(7)

    def model_with(key, probability=1.0):
        model = SonarTransformer(read_architecture({**SMALL, key: probability}))
        for name, parameter in model.named_parameters():
            if name.endswith("bias"):
                torch.nn.init.normal_(parameter)
        return model

    assert not model_with("emb_dropout_p").encoder_frontend(text, place).any()
    states, groups = torch.randn(7, 64), [sonar_transformer._Group(captions=1, tokens=7)]
    assert torch.equal(model_with("attention_dropout_p").encoder(states, groups), states)
    feed_forward = model_with("activation_dropout_p").encoder.layers[0].ffn
    assert torch.equal(feed_forward(states), feed_forward.output_proj.bias.expand(7, -1))
    calls = watch_attention(monkeypatch, "dropout_p")
    model = model_with("attention_dropout_p", 0.25)
    model.encoder(states, groups)
    model.eval().encoder(states, groups)
    assert [dropout for _, dropout in calls] == [0.25] * 3 + [0.0] * 3


@pytest.mark.parametrize("key", ["emb_dropout_p", "attention_dropout_p", "activation_dropout_p"])
def test_no_dropout_in_evaluation(key):
    model = SonarTransformer(read_architecture({**SMALL, key: 0.5}))
    text, lengths = torch.randint(4, 300, (3, 7)), torch.tensor([7, 4, 7])
    assert not torch.equal(model(text, lengths).values, model(text, lengths).values)
    model.eval()
    assert torch.equal(model(text, lengths).values, model(text, lengths).values)


def test_a_caption_longer_than_the_positions():
    model = SonarTransformer(read_architecture(SMALL)).eval()
    assert model(torch.full((1, 22), 4), torch.tensor([22])).values.shape == (1, 22, 64)
    with pytest.raises(ValueError, match="a caption of 23 tokens; the encoder has 22"):
        model(torch.full((1, 23), 4), torch.tensor([23]))
