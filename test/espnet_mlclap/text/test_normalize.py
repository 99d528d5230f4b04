"""Caption normalisation against the reference's, row by row."""

import json

import pytest

from espnet_mlclap.text.normalize import NORMALIZERS, caption_length, normalize_caption


def test_every_row_of_the_reference(shared_dir):
    rows = json.loads((shared_dir / "golden" / "text" / "text_preprocess.json").read_text("utf-8"))
    assert {row["lang"] for row in rows} >= {"eng_Latn", "fra_Latn", "jpn_Jpan", "zho_Hans"}
    for row in rows:
        assert normalize_caption(row["input"]) == row["output"], row
        if "length_for_max_token_size" in row:
            length = caption_length(row["input"], row["lang"])
            assert length == row["length_for_max_token_size"], row


@pytest.mark.parametrize(
    ("caption", "expected"),
    [
        ("", ""),
        ("Rain.", "rain "),
        ("a , b", "a b"),  # the space before the comma goes, the comma becomes one
        ("a ,b", "a b"),
        ("a     b", "a  b"),  # five spaces are three, then two
        ("(x) | y*", " x  y "),
        ("「雨」；（風）", "「雨」；（風）"),
    ],
)
def test_cases_worked_by_hand(caption, expected):
    assert normalize_caption(caption) == expected


@pytest.mark.parametrize(
    ("caption", "lang", "length"),
    [
        ("It's raining - hard .", "eng_Latn", 5),
        ("狗 在叫。", "zho_Hans", 4),
        ("abc 犬", "jpn_Jpan", 2),
        ("", "zho_Hans", 0),
    ],
)
def test_length(caption, lang, length):
    assert caption_length(caption, lang) == length


def test_choices_of_the_configuration():
    assert NORMALIZERS["none"] is None
    assert NORMALIZERS["mlclap"]("Rain .", "eng_Latn") == "rain "
