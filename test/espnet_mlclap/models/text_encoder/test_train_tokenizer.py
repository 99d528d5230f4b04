"""A tokenizer of one's own captions: no unknown tokens in any script, the same bytes each time."""

import csv

import pytest

from espnet_mlclap.models.text_encoder.sonar_tokenizer import SonarTokenizer
from espnet_mlclap.models.text_encoder.train_tokenizer import train_tokenizer
from espnet_mlclap.utils.errors import UserError

UNKNOWN = 1


@pytest.fixture(scope="module")
def captions(ten_sounds):
    with open(ten_sounds / "train/metadata.csv", encoding="utf-8") as file:
        return [(row["caption"], row["lang"]) for row in csv.DictReader(file)]


def test_eight_languages(captions, tmp_path):
    texts = [text for text, _ in captions]
    pieces = train_tokenizer(texts, tmp_path / "a.model", 2000)
    assert pieces <= 2000
    train_tokenizer(list(reversed(texts)), tmp_path / "b.model", 2000)
    assert (tmp_path / "a.model").read_bytes() == (tmp_path / "b.model").read_bytes()
    langs = sorted({lang for _, lang in captions})
    tokenizer = SonarTokenizer(model=tmp_path / "a.model", langs=langs, max_tokens=512)
    for text, lang in [*captions, ("Žluťoučký kůň", "eng_Latn"), ("کوئی آواز", "fra_Latn")]:
        ids = tokenizer(text, lang)
        assert UNKNOWN not in ids
        assert ids[0] == 1 + pieces + langs.index(lang)
        assert ids[-1] == 3
        assert ids.max() <= pieces + len(langs)


def test_too_few_pieces(tmp_path):
    with pytest.raises(UserError, match="--vocab_size 100 is too small: these captions need 26"):
        train_tokenizer(["abc"], tmp_path / "x.model", 100)
    assert not (tmp_path / "x.model").exists()
    assert (
        train_tokenizer(["A dog barks."], tmp_path / "x.model", 2000) < 300
    )  # as many as there are
