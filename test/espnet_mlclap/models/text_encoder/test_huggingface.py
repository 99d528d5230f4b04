"""Encoders of transformers, made here: a small BERT, and SONAR's golden weights as an M2M100."""

import json
import pickle
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch

from espnet_mlclap.models.padding import pad
from espnet_mlclap.models.pooling import FirstPooling, MeanPooling
from espnet_mlclap.models.text_encoder.huggingface import HuggingfaceTextEncoder
from espnet_mlclap.models.text_encoder.sonar import SonarTextEncoder
from espnet_mlclap.models.text_encoder.sonar_to_huggingface import export
from espnet_mlclap.utils.errors import UserError

transformers = pytest.importorskip("transformers")

FIXTURES = Path(__file__).resolve().parents[3] / "fixtures"
WORDS = "[PAD] [UNK] [CLS] [SEP] [MASK] a dog barks twice then it rains ein hund bellt .".split()
CAPTIONS = ["a dog barks", "it rains", "ein hund bellt twice then a dog barks ."]


def small_bert(folder, kind="bert"):
    """A BERT (or RoBERTa) of width 24 with a vocabulary of words."""
    (folder / "vocab.txt").write_text("\n".join(WORDS))
    tokenizer = transformers.BertTokenizerFast(vocab_file=str(folder / "vocab.txt"))
    tokenizer.save_pretrained(folder)
    config, model = {
        "bert": (transformers.BertConfig, transformers.BertModel),
        "roberta": (transformers.RobertaConfig, transformers.RobertaModel),
    }[kind]
    torch.manual_seed(0)
    config = config(
        vocab_size=len(WORDS),
        hidden_size=24,
        num_hidden_layers=2,
        num_attention_heads=3,
        intermediate_size=32,
        max_position_embeddings=20,
        pad_token_id=0,
    )
    model(config).eval().save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    return small_bert(tmp_path_factory.mktemp("bert"))


@pytest.fixture(scope="module")
def golden_sonar():
    """A small text encoder in SONAR's published layout, with its 202 languages."""
    from espnet_mlclap.checkpoints.mlclap import configuration, to_our_names
    from espnet_mlclap.checkpoints.state_dict import load_state_dict
    from espnet_mlclap.utils.languages import SONAR_LANGUAGES

    folder = FIXTURES / "golden/mlclap"
    meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
    states = to_our_names(load_state_dict(folder / "mlclap_small.pt"))
    conf = configuration(
        states,
        langs=SONAR_LANGUAGES,
        audio_heads=1,
        text_heads=meta["sonar"]["heads"],
        audio_mode="reference",
    )["text_encoder_conf"]
    encoder = SonarTextEncoder(**{**conf, "tokenizer_model": str(folder / "tiny_spm.model")})
    prefix = "text_encoder."
    encoder.load_state_dict(
        {key[len(prefix) :]: value for key, value in states.items() if key.startswith(prefix)}
    )
    return encoder.eval()


@pytest.fixture(scope="module")
def sonar_port(golden_sonar, tmp_path_factory):
    folder = tmp_path_factory.mktemp("m2m100")
    export(golden_sonar, folder)
    return str(folder)


def encode(encoder, captions, langs=None):
    langs = langs or ["eng_Latn"] * len(captions)
    tokens = [encoder.tokenizer(*pair) for pair in zip(captions, langs)]
    with torch.no_grad():
        return encoder(*pad(tokens, encoder.tokenizer.pad_id)).mean()


def test_pooling_against_the_model_itself(bert):
    model = transformers.BertModel.from_pretrained(bert).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(bert)
    encoder = HuggingfaceTextEncoder(model=bert).eval()
    tokens = [encoder.tokenizer(caption, "eng_Latn") for caption in CAPTIONS]
    with torch.no_grad():
        encoded = encoder(*pad(tokens, encoder.tokenizer.pad_id))
    size = {"input_size": encoder.output_size()}
    mean, first = MeanPooling(**size)(encoded), FirstPooling(**size)(encoded)
    for row, caption in enumerate(CAPTIONS):
        with torch.no_grad():
            (states,) = model(**tokenizer(caption, return_tensors="pt")).last_hidden_state
        torch.testing.assert_close(mean[row], states.mean(0), rtol=0, atol=1e-5)
        torch.testing.assert_close(first[row], states[0], rtol=0, atol=1e-5)


def test_every_parameter_gets_a_gradient(bert):
    encoder = HuggingfaceTextEncoder(model=bert, dropout=0.0).train()
    tokens = [encoder.tokenizer(caption, "eng_Latn") for caption in CAPTIONS]
    once, twice = (encoder(*pad(tokens, 0)).mean() for _ in range(2))
    assert torch.equal(once, twice)  # no dropout
    once.sum().backward()
    assert [name for name, p in encoder.named_parameters() if p.grad is None] == []


def test_scratch_is_the_architecture_without_the_weights(bert):
    scratch = HuggingfaceTextEncoder(model=bert, init="scratch")
    pretrained = HuggingfaceTextEncoder(model=bert)
    assert scratch.state_dict().keys() == pretrained.state_dict().keys()
    key = "model.embeddings.word_embeddings.weight"
    assert not torch.equal(scratch.state_dict()[key], pretrained.state_dict()[key])
    assert scratch.output_size() == 24


@pytest.mark.parametrize(("kind", "longest"), [("bert", 20), ("roberta", 19)])
def test_a_long_caption_keeps_its_end(kind, longest, tmp_path):
    encoder = HuggingfaceTextEncoder(model=small_bert(tmp_path, kind)).eval()
    tokens = encoder.tokenizer("a dog barks " * 50, "eng_Latn")
    assert len(tokens) == longest
    assert tokens[-1] == WORDS.index("[SEP]")
    assert torch.isfinite(encode(encoder, ["a dog barks " * 50])).all()
    short = HuggingfaceTextEncoder(model=str(tmp_path), max_tokens=5)
    assert len(short.tokenizer("a dog barks " * 50, "eng_Latn")) == 5


def test_sonar_as_m2m100_gives_the_same_embeddings(golden_sonar, sonar_port):
    port = HuggingfaceTextEncoder(model=sonar_port).eval()
    captions = [
        "a dog barks twice ☃",
        "un chien aboie deux fois",
        "犬が二回吠えて",
        "大雨落在金属屋顶上",
        "",
    ]
    langs = ["eng_Latn", "fra_Latn", "jpn_Jpan", "zho_Hans", "eng_Latn"]
    expected = encode(golden_sonar, captions, langs)
    torch.testing.assert_close(encode(port, captions, langs), expected, rtol=0, atol=1e-5)
    assert port.tokenizer.langs == golden_sonar.tokenizer.langs
    for pair in zip(captions, langs):  # the same tokens but for the numbers of the special ones
        ours, theirs = golden_sonar.tokenizer(*pair), port.tokenizer(*pair)
        assert np.array_equal(ours[ours > 3], theirs[theirs > 3])
        assert (ours[-1], theirs[-1]) == (3, 2)
    long = "a dog barks " * 400
    assert len(port.tokenizer(long, "eng_Latn")) == golden_sonar.tokenizer.max_tokens
    torch.testing.assert_close(
        encode(port, [long]), encode(golden_sonar, [long]), rtol=0, atol=1e-5
    )


def test_only_the_published_padding_becomes_an_m2m100(golden_sonar, tmp_path):
    architecture = asdict(golden_sonar.architecture)
    architecture["vocab_info"]["pad_idx"] = 0
    encoder = SonarTextEncoder(
        architecture=architecture, tokenizer_model="unused", langs=["eng_Latn"]
    )
    with pytest.raises(UserError, match="pad_idx is 0"):
        export(encoder, tmp_path)


@pytest.mark.parametrize("name", ["bert", "sonar_port"])
def test_the_same_encoder_from_its_export(name, request, tmp_path):
    encoder = HuggingfaceTextEncoder(model=request.getfixturevalue(name), dropout=0.3).eval()
    conf = encoder.export(tmp_path)
    for key in encoder.exported_paths:
        conf[key] = str(tmp_path / conf[key])
    again = HuggingfaceTextEncoder(**conf).eval()
    again.load_state_dict(encoder.state_dict())
    assert torch.equal(encode(again, CAPTIONS), encode(encoder, CAPTIONS))
    assert again.model.config.to_dict()["num_hidden_layers"] > 0
    names = ("hidden_dropout_prob", "dropout")
    assert 0.3 in [getattr(again.model.config, name, None) for name in names]


@pytest.mark.parametrize("name", ["bert", "sonar_port"])
def test_tokenizer_goes_to_data_workers(name, request):
    tokenizer = HuggingfaceTextEncoder(model=request.getfixturevalue(name)).tokenizer
    again = pickle.loads(pickle.dumps(tokenizer))
    for lang in ("eng_Latn", "deu_Latn", "eng_Latn"):
        assert np.array_equal(again("a dog barks", lang), tokenizer("a dog barks", lang))


def test_m2m100s_own_tokenizer_and_models_with_a_decoder(tmp_path):
    """M2M100 calls languages by ISO 639-1 codes; of a whole translation model the encoder is taken."""
    import json

    import sentencepiece

    corpus = tmp_path / "corpus.txt"
    corpus.write_text("a dog barks\nein hund bellt\nit rains\n" * 20)
    sentencepiece.SentencePieceTrainer.train(
        input=str(corpus), model_prefix=str(tmp_path / "spm"), vocab_size=20, minloglevel=2
    )
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(tmp_path / "spm.model"))
    names = [pieces.id_to_piece(i) for i in range(3, pieces.get_piece_size())]
    vocab = {name: i for i, name in enumerate(["<s>", "<pad>", "</s>", "<unk>", *names])}
    (tmp_path / "vocab.json").write_text(json.dumps(vocab))
    tokenizer = transformers.M2M100Tokenizer(
        str(tmp_path / "vocab.json"), str(tmp_path / "spm.model"), model_max_length=30
    )
    folder = tmp_path / "model"
    tokenizer.save_pretrained(folder)
    config = transformers.M2M100Config(
        vocab_size=200,
        d_model=16,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=16,
        decoder_ffn_dim=16,
        max_position_embeddings=64,
    )
    transformers.M2M100ForConditionalGeneration(config).save_pretrained(folder)
    encoder = HuggingfaceTextEncoder(model=str(folder)).eval()
    first = {lang: int(encoder.tokenizer("a dog", lang)[0]) for lang in ("eng_Latn", "deu_Latn")}
    assert first == {
        "eng_Latn": tokenizer.get_lang_id("en"),
        "deu_Latn": tokenizer.get_lang_id("de"),
    }
    assert not [name for name, _ in encoder.named_parameters() if "decoder" in name]
    mixed = encode(encoder, ["a dog", "ein hund bellt"], ["eng_Latn", "deu_Latn"])
    alone = encode(encoder, ["a dog"], ["eng_Latn"])
    torch.testing.assert_close(mixed[:1], alone, rtol=0, atol=1e-5)


def test_bad_input(bert, sonar_port, tmp_path):
    with pytest.raises(UserError, match="init must be pretrained or scratch"):
        HuggingfaceTextEncoder(model=bert, init="random")
    with pytest.raises(UserError, match="max_tokens must be 3 to 20"):
        HuggingfaceTextEncoder(model=bert, max_tokens=21)
    with pytest.raises(UserError, match="nowhere.*cannot be loaded.*download: true"):
        HuggingfaceTextEncoder(model=str(tmp_path / "nowhere"))
    with pytest.raises(UserError, match="does not know the language 'xxx_Latn'; it has ace_Arab"):
        HuggingfaceTextEncoder(model=sonar_port).tokenizer("a", "xxx_Latn")


def test_weights_that_are_missing_or_run_code_are_refused(tmp_path):
    from safetensors.torch import load_file, save_file

    folder = small_bert(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    key = next(name for name in weights if name.endswith("layer.1.output.dense.weight"))
    whole = weights.pop(key)
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(UserError, match="no weights for .*layer.1.output.dense.weight"):
        HuggingfaceTextEncoder(model=folder)
    assert whole is not None

    class Exploit:
        def __reduce__(self):
            return (open, (str(tmp_path / "run"), "w"))

    (tmp_path / "model.safetensors").unlink()
    torch.save({"embeddings": Exploit()}, tmp_path / "pytorch_model.bin")
    with pytest.raises(UserError, match="cannot be loaded"):
        HuggingfaceTextEncoder(model=folder)
    assert not (tmp_path / "run").exists()
