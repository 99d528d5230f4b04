"""SONAR's text encoder and tokenizer: golden numbers, fairseq2's own tokenizer, mixed languages."""

import copy
import json
import pickle
import sys

import numpy as np
import pytest
import torch

from espnet_mlclap.models.padding import pad
from espnet_mlclap.models.text_encoder.sonar import SonarTextEncoder
from espnet_mlclap.models.text_encoder.sonar_tokenizer import SonarTokenizer
from espnet_mlclap.utils.errors import UserError

CAPTIONS = {
    "eng_Latn": "A dog barks twice, then it rains.",
    "deu_Latn": "Ein Hund bellt.",
    "jpn_Jpan": "犬が吠えています。",
    "zho_Hans": "一只狗在叫，下着雨。",
}


@pytest.fixture(scope="module")
def encoder():
    return SonarTextEncoder(model="sonar_mini_encoder").eval()


def encode(encoder, captions):
    tokens = [encoder.tokenizer(text, lang) for lang, text in captions]
    with torch.no_grad():
        return encoder(*pad(tokens, encoder.tokenizer.pad_id)).mean()


def test_golden_sentence_embeddings_and_tokens(golden_dir):
    folder = golden_dir / "mlclap"
    meta = json.loads((folder / "meta.json").read_text())
    golden = np.load(folder / "outputs.npz")
    sonar = meta["sonar"]
    encoder = SonarTextEncoder(
        architecture={
            "model_dim": sonar["model_dim"],
            "max_seq_len": 512,
            "vocab_info": {
                "size": meta["vocab_size"],
                "unk_idx": 1,
                "bos_idx": 2,
                "eos_idx": 3,
                "pad_idx": sonar["pad_idx_of_model"],
            },
            "num_encoder_layers": sonar["layers"],
            "num_decoder_layers": sonar["layers"],
            "num_encoder_attn_heads": sonar["heads"],
            "num_decoder_attn_heads": sonar["heads"],
            "ffn_inner_dim": sonar["ffn"],
            "pooling": "mean",
            "_from_fairseq": True,
        },
        tokenizer_model=str(folder / "tiny_spm.model"),
        langs=meta["langs"],
    ).eval()
    states = torch.load(folder / "mlclap_small.pt", weights_only=True)
    prefix = "text_encoder.model."
    encoder.model.load_state_dict(
        {key[len(prefix) :]: value for key, value in states.items() if key.startswith(prefix)}
    )
    assert encoder.tokenizer.max_tokens == sonar["max_seq_len_effective"]
    for lang, texts in meta["texts"].items():
        tokens = [encoder.tokenizer(text, lang).tolist() for text in texts]
        assert tokens == meta["token_ids"][lang]
        embedded = encode(encoder, [(lang, text) for text in texts])
        np.testing.assert_allclose(embedded, golden[f"sonar_{lang}"], atol=1e-5)


@pytest.mark.parametrize("training", [False, True])
def test_the_small_model_is_that_of_sonar_space(training):
    """Sentence embeddings, their gradients, and both in bfloat16, which agree as far as it can tell."""
    from fairseq2.nn import BatchLayout

    from espnet_mlclap.checkpoints.sonar_assets import load_sonar_model, read_asset

    encoder = SonarTextEncoder(model="sonar_mini_encoder").train(training)  # its dropout is 0
    theirs = load_sonar_model(read_asset("sonar_mini_encoder")).train(training)
    text, lengths = pad([encoder.tokenizer(text, lang) for lang, text in CAPTIONS.items()], 0)
    layout = BatchLayout.of(text, seq_lens=lengths.tolist())
    weights = torch.randn(len(text), 160, generator=torch.Generator().manual_seed(0))
    for dtype, tolerance in ((None, 1e-5), (torch.bfloat16, 2**-6)):
        with torch.autocast("cpu", torch.bfloat16, enabled=dtype is not None):
            found = encoder(text, lengths).mean()
            expected = theirs(text, layout).sentence_embeddings
        torch.testing.assert_close(found, expected.float(), rtol=0, atol=tolerance)
        theirs.zero_grad()
        encoder.zero_grad()
        (expected * weights).sum().backward()
        (found * weights).sum().backward()
        for name, parameter in theirs.named_parameters():
            difference = (encoder.model.get_parameter(name).grad - parameter.grad).norm()
            assert difference <= tolerance * max(1.0, float(parameter.grad.norm())), name


def test_a_mixed_batch_equals_one_language_at_a_time(encoder):
    together = encode(encoder, list(CAPTIONS.items()))
    alone = torch.cat([encode(encoder, [item]) for item in CAPTIONS.items()])
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-5)


def test_tokens_are_those_of_fairseq2(encoder):
    from fairseq2.data.tokenizers import load_tokenizer

    theirs = load_tokenizer("sonar_mini_encoder")
    for lang, text in CAPTIONS.items():
        expected = theirs.create_encoder(lang=lang, mode="source")(text)
        assert encoder.tokenizer(text, lang).tolist() == expected.tolist()


def test_the_same_model_by_name_and_from_its_export(encoder, tmp_path):
    conf = encoder.export(tmp_path)
    for key in encoder.exported_paths:
        assert not conf[key].startswith("/")
        conf[key] = str(tmp_path / conf[key])
    again = SonarTextEncoder(**conf).eval()
    assert not torch.equal(encode(again, [*CAPTIONS.items()]), encode(encoder, [*CAPTIONS.items()]))
    again.load_state_dict(encoder.state_dict())
    assert torch.equal(encode(again, [*CAPTIONS.items()]), encode(encoder, [*CAPTIONS.items()]))
    assert again.output_size() == encoder.output_size()


def test_the_callers_architecture_stays_as_it_is(encoder, tmp_path):
    conf = encoder.export(tmp_path)
    conf["tokenizer_model"] = str(tmp_path / conf["tokenizer_model"])
    before = copy.deepcopy(conf)
    again = SonarTextEncoder(**conf, dropout=0.5)
    assert conf == before
    assert again.architecture.emb_dropout_p == 0.5
    exported = again.export(tmp_path)["architecture"]
    assert exported == {
        **before["architecture"],
        **{key: 0.5 for key in exported if "dropout_p" in key},
    }


def test_scratch_is_not_pretrained(encoder):
    scratch = SonarTextEncoder(model="sonar_mini_encoder", init="scratch")
    assert scratch.state_dict().keys() == encoder.state_dict().keys()
    key = "model.encoder_frontend.embed.weight"
    assert not torch.equal(scratch.state_dict()[key], encoder.state_dict()[key])


def test_dropout_override():
    encoder = SonarTextEncoder(model="sonar_mini_encoder", dropout=0.5).train()
    items = list(CAPTIONS.items())
    assert not torch.equal(encode(encoder, items), encode(encoder, items))
    encoder = SonarTextEncoder(model="sonar_mini_encoder", dropout=0.0).train()
    assert torch.equal(encode(encoder, items), encode(encoder, items))


def test_a_long_caption_keeps_its_end_of_sentence(encoder):
    tokenizer = encoder.tokenizer
    tokens = tokenizer("A dog barks. " * 2000, "eng_Latn")
    assert len(tokens) == tokenizer.max_tokens
    assert tokens[-1] == tokenizer("A dog", "eng_Latn")[-1]
    embedded = encode(encoder, [("eng_Latn", "A dog barks. " * 2000)])
    assert torch.isfinite(embedded).all()


def test_tokenizer_goes_to_data_workers(encoder):
    again = pickle.loads(pickle.dumps(encoder.tokenizer))
    for lang, text in CAPTIONS.items():
        assert np.array_equal(again(text, lang), encoder.tokenizer(text, lang))


@pytest.mark.parametrize("module", ["fairseq2", "sonar"])
def test_an_asset_needs_sonar_space(module, monkeypatch):
    for name in [*sys.modules]:
        if name.partition(".")[0] == module:
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [Missing(module), *sys.meta_path])
    message = rf"asset sonar_mini_encoder: .* {module}, .* pip install 'espnet_mlclap\[sonar\]'"
    with pytest.raises(UserError, match=message):
        SonarTextEncoder(model="sonar_mini_encoder")


class Missing:
    """Makes the import of a package fail as if it were not installed."""

    def __init__(self, package):
        self.package = package

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == self.package:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


def test_bad_input(encoder, tmp_path):
    with pytest.raises(UserError, match="does not know the language 'xxx_Latn'"):
        encoder.tokenizer("a", "xxx_Latn")
    with pytest.raises(UserError, match="no fairseq2 asset is called 'sonar_maxi'"):
        SonarTextEncoder(model="sonar_maxi")
    with pytest.raises(
        UserError, match="sonar_mini_decoder is a transformer_decoder, not an encoder"
    ):
        SonarTextEncoder(model="sonar_mini_decoder")
    with pytest.raises(UserError, match="architecture: layers: unknown key"):
        SonarTextEncoder(architecture={"layers": 3}, tokenizer_model="x")
    with pytest.raises(UserError, match="init must be pretrained or scratch"):
        SonarTextEncoder(model="sonar_mini_encoder", init="random")
    with pytest.raises(UserError, match="either `model`"):
        SonarTextEncoder()
    (tmp_path / "broken.model").write_bytes(b"no model")
    with pytest.raises(UserError, match="not a sentencepiece model"):
        SonarTokenizer(model=tmp_path / "broken.model", langs=["eng_Latn"], max_tokens=10)
