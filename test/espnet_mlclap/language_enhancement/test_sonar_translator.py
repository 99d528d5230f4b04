import pytest
import torch

from espnet_mlclap.language_enhancement.sonar import SonarConfig, SonarTranslator
from espnet_mlclap.language_enhancement.sonar_encoder import SonarEncoder
from espnet_mlclap.utils.errors import UserError


def config(names, **changes):
    encoder, decoder = names
    settings = {
        "beam_size": 1, "max_tokens": 12, "batch_size": 64, "batch_tokens": 4096,
        "dtype": "float32",
    }  # fmt: skip
    return SonarConfig(encoder=encoder, decoder=decoder, **{**settings, **changes})


@pytest.mark.parametrize("beam_size", [1, 3])
def test_equals_the_pipeline_of_sonar_space(tiny_sonar, beam_size, sentences):
    from sonar.inference_pipelines.text import TextToTextModelPipeline

    encoder, decoder = tiny_sonar
    pipeline = TextToTextModelPipeline(
        encoder=encoder, decoder=decoder, encoder_tokenizer=encoder, decoder_tokenizer=decoder
    )
    texts = sentences(25)
    expected = pipeline.predict(
        texts, source_lang="eng_Latn", target_lang="fra_Latn", batch_size=25,
        beam_size=beam_size, max_gen_len=(0.0, 12),
    )  # fmt: skip
    found = SonarTranslator(config(tiny_sonar, beam_size=beam_size)).translate(
        texts, "eng_Latn", "fra_Latn"
    )
    assert len(set(found)) > 5  # the random model does not say the same of everything
    assert found == [text.strip() for text in expected]


@pytest.mark.parametrize("beam_size", [1, 3])
def test_batch_size_and_order_do_not_matter(tiny_sonar, beam_size, sentences):
    texts = sentences(40)
    whole = SonarTranslator(config(tiny_sonar, beam_size=beam_size))
    expected = whole.translate(texts, "eng_Latn", "zho_Hans")
    for changes in ({"batch_size": 1}, {"batch_size": 7}, {"batch_tokens": 40}):
        small = SonarTranslator(config(tiny_sonar, beam_size=beam_size, **changes))
        assert small.translate(texts, "eng_Latn", "zho_Hans") == expected
    assert whole.translate(texts[::-1], "eng_Latn", "zho_Hans") == expected[::-1]


def test_the_longest_sentence_of_a_batch_does_not_lengthen_the_others(tiny_sonar, sentences):
    """By default fairseq2 allows as many tokens as the batch's longest sentence has, and some more."""
    long = max(sentences(40), key=len)
    translator = SonarTranslator(config(tiny_sonar, max_tokens=4))
    together = translator.translate(["a dog", long], "eng_Latn", "fra_Latn")
    assert together[:1] == translator.translate(["a dog"], "eng_Latn", "fra_Latn")
    for text in together:
        assert len(translator._tokenizer.create_encoder(mode="target", lang="fra_Latn")(text)) <= 7


def test_overflow_is_named(tiny_sonar):
    translator = SonarTranslator(config(tiny_sonar))
    with torch.no_grad():
        next(translator.encoder.model.parameters()).fill_(torch.nan)
    with pytest.raises(UserError, match="produced NaN.*dtype: float32"):
        translator.translate(["a dog"], "eng_Latn", "fra_Latn")


def test_a_sentence_that_is_cut_off_keeps_its_end(tiny_sonar):
    encoder = SonarTranslator(config(tiny_sonar)).encoder
    (row,) = encoder.tokenize(["water " * 100], "eng_Latn")
    (short,) = encoder.tokenize(["water"], "eng_Latn")
    assert len(row) == encoder.model.encoder_frontend.pos_encoder.max_seq_len
    assert row[0] == short[0]
    assert row[-1] == short[-1] == 3
    assert encoder.embed(["water " * 100], "eng_Latn").shape == (1, 16)


def test_embeddings_do_not_depend_on_the_batch(tiny_sonar, sentences):
    options = {"device": "cpu", "dtype": "float32", "batch_tokens": 4096}
    texts = sentences(15)
    together = SonarEncoder("tiny_encoder", batch_size=15, **options).embed(texts, "eng_Latn")
    alone = SonarEncoder("tiny_encoder", batch_size=1, **options).embed(texts, "eng_Latn")
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=0)


def test_what_is_wrong_is_named(tiny_sonar):
    translator = SonarTranslator(config(tiny_sonar))
    with pytest.raises(UserError, match="tiny_decoder does not know the language 'deu_Latn'"):
        translator.translate(["a dog"], "eng_Latn", "deu_Latn")
    with pytest.raises(UserError, match="tiny_encoder does not know the language 'deu_Latn'"):
        translator.translate(["a dog"], "deu_Latn", "fra_Latn")
    with pytest.raises(UserError, match="no fairseq2 asset is called 'tinyencoder'"):
        SonarTranslator(config(("tinyencoder", "tiny_decoder")))
    if not torch.cuda.is_available():
        with pytest.raises(UserError, match="finds no GPU"):
            SonarTranslator(config(tiny_sonar), "cuda")
    for changes in ({"beam_size": 0}, {"dtype": "int8"}):
        with pytest.raises(UserError, match=next(iter(changes))):
            config(tiny_sonar, **changes)


def test_identity_changes_with_what_decides_the_output_only(tiny_sonar):
    base = SonarTranslator.identity(config(tiny_sonar))
    assert base == SonarTranslator.identity(config(tiny_sonar, batch_size=3, batch_tokens=99))
    for changes in ({"beam_size": 2}, {"max_tokens": 9}, {"dtype": "float64"}):
        assert base != SonarTranslator.identity(config(tiny_sonar, **changes))
