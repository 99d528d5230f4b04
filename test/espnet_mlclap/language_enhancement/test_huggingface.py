import json

import pytest

from espnet_mlclap.language_enhancement.huggingface import (
    HuggingfaceConfig,
    HuggingfaceTranslator,
)
from espnet_mlclap.utils.errors import UserError
from espnet_mlclap.utils.languages import ISO_CODES, SONAR_LANGUAGES

transformers = pytest.importorskip("transformers")

SMALL = {
    "d_model": 16, "encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 2,
    "decoder_attention_heads": 2, "encoder_ffn_dim": 32, "decoder_ffn_dim": 32,
    "max_position_embeddings": 64,
}  # fmt: skip


def save(model, tokenizer, folder):
    import torch

    torch.manual_seed(0)
    for parameter in model.parameters():
        if parameter.dim() > 1:
            torch.nn.init.normal_(parameter, std=0.5)
    model.tie_weights()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="module")
def nllb(tmp_path_factory, sentencepiece_model):
    tokenizer = transformers.NllbTokenizer(str(sentencepiece_model))
    config = transformers.M2M100Config(vocab_size=len(tokenizer), **SMALL)
    model = transformers.M2M100ForConditionalGeneration(config)
    return save(model, tokenizer, tmp_path_factory.mktemp("nllb"))


def pieces(sentencepiece_model):
    import sentencepiece

    processor = sentencepiece.SentencePieceProcessor(model_file=str(sentencepiece_model))
    return [processor.id_to_piece(i) for i in range(3, processor.get_piece_size())]


@pytest.fixture(scope="module")
def m2m100(tmp_path_factory, sentencepiece_model):
    folder = tmp_path_factory.mktemp("m2m100")
    words = ["<s>", "<pad>", "</s>", "<unk>", *pieces(sentencepiece_model)]
    vocabulary = folder / "words.json"
    vocabulary.write_text(json.dumps({word: i for i, word in enumerate(words)}))
    tokenizer = transformers.M2M100Tokenizer(str(vocabulary), str(sentencepiece_model))
    config = transformers.M2M100Config(vocab_size=len(words) + 108, **SMALL)
    return save(transformers.M2M100ForConditionalGeneration(config), tokenizer, folder)


def marian(folder, sentencepiece_model, *codes):
    words = ["</s>", "<unk>", *codes, *pieces(sentencepiece_model), "<pad>"]
    vocabulary = folder.parent / f"{folder.name}.json"
    vocabulary.write_text(json.dumps({word: i for i, word in enumerate(words)}))
    spm = str(sentencepiece_model)
    tokenizer = transformers.MarianTokenizer(spm, spm, str(vocabulary))
    pad = len(words) - 1
    config = transformers.MarianConfig(
        vocab_size=len(words), pad_token_id=pad, decoder_start_token_id=pad, eos_token_id=0,
        forced_eos_token_id=0, bos_token_id=None, **SMALL,
    )  # fmt: skip
    return save(transformers.MarianMTModel(config), tokenizer, folder)


def identity(name):
    translator = make(name)
    return translator.identity(translator.settings)


def make(model, **changes):
    settings = {"beam_size": 1, "max_tokens": 10, "batch_size": 8, "dtype": "float64"}
    return HuggingfaceTranslator(
        HuggingfaceConfig(model=model, download=False, **{**settings, **changes})
    )


def alone(name, text, source, target, **options):
    """The model by hand, one sentence, without this package."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(name)
    model = transformers.AutoModelForSeq2SeqLM.from_pretrained(name).double()
    if source:
        tokenizer.src_lang = source
        ids = tokenizer.convert_tokens_to_ids([target, f"__{target}__"])
        options["forced_bos_token_id"] = next(i for i in ids if i != tokenizer.unk_token_id)
    output = model.generate(
        **tokenizer(text, return_tensors="pt"),
        num_beams=1,
        max_new_tokens=10,
        max_length=None,
        **options,
    )
    return tokenizer.decode(output[0], skip_special_tokens=True).strip()


@pytest.mark.parametrize(("family", "source", "target"), [
    ("nllb", "eng_Latn", "zho_Hans"), ("m2m100", "en", "zh"),
])  # fmt: skip
def test_families_with_many_languages(request, sentences, family, source, target):
    name = request.getfixturevalue(family)
    texts = sentences(6)
    found = make(name).translate(texts, "eng_Latn", "zho_Hans")
    assert found == [alone(name, text, source, target) for text in texts]
    assert len(set(found)) > 1
    assert found != make(name).translate(texts, "eng_Latn", "fra_Latn")
    for translator in (make(name, dtype="float32"), make(name)):
        single = [translator.translate([text], "eng_Latn", "zho_Hans")[0] for text in texts]
        assert single == found


def test_opus_mt_for_one_pair_and_for_several_targets(tmp_path, sentencepiece_model, sentences):
    texts = sentences(4)
    pair = marian(tmp_path / "opus-en-fr", sentencepiece_model)
    assert pair.endswith("en-fr")
    translator = make(str(tmp_path / "opus-{source}-{target}"))
    expected = [alone(pair, text, "", "") for text in texts]
    assert translator.translate(texts, "eng_Latn", "fra_Latn") == expected
    with pytest.raises(UserError, match="opus-en-de: cannot be loaded"):
        translator.translate(texts, "eng_Latn", "deu_Latn")
    several = make(marian(tmp_path / "several", sentencepiece_model, ">>fra<<", ">>cmn_Hans<<"))
    french = several.translate(texts, "eng_Latn", "fra_Latn")
    assert french == [alone(str(tmp_path / "several"), f">>fra<< {text}", "", "") for text in texts]
    assert french != several.translate(texts, "eng_Latn", "zho_Hans")
    with pytest.raises(UserError, match="does not know the language 'deu_Latn'"):
        several.translate(texts, "eng_Latn", "deu_Latn")


def test_languages_a_model_does_not_know(nllb, m2m100):
    with pytest.raises(UserError, match="does not know the language 'bjn_Arab'"):
        make(m2m100).translate(["a dog"], "eng_Latn", "bjn_Arab")
    with pytest.raises(UserError, match="does not know the language 'xxx_Latn'"):
        make(nllb).translate(["a dog"], "eng_Latn", "xxx_Latn")


def test_identity_changes_with_the_files_of_a_folder(tmp_path):
    for name in ("opus-en-fr", "opus-en-de"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.safetensors").write_bytes(b"weights")
    for name in ("opus-en-fr", "opus-{source}-{target}"):
        before = identity(str(tmp_path / name))
        assert identity(str(tmp_path / name)) == before
        weights = tmp_path / "opus-en-fr" / "model.safetensors"
        weights.write_bytes(weights.read_bytes() + b", more of them")
        assert identity(str(tmp_path / name)) != before
    assert not any(key.startswith("checkpoint") for key in identity("facebook/nllb"))


def test_nothing_is_fetched_unless_asked_for():
    with pytest.raises(UserError, match="cannot be loaded.*huggingface.download: true"):
        make("some/model-that-is-not-here").translate(["a dog"], "eng_Latn", "fra_Latn")


def test_the_table_of_codes_fits_m2m100_and_flores():
    from transformers.models.m2m_100.tokenization_m2m_100 import FAIRSEQ_LANGUAGE_CODES

    known = set(FAIRSEQ_LANGUAGE_CODES["m2m100"])
    assert set(ISO_CODES) <= set(SONAR_LANGUAGES)
    assert set(ISO_CODES.values()) <= known
    # Breton, Western Frisian: not among the FLORES-200 languages
    assert known - set(ISO_CODES.values()) == {"br", "fy"}
