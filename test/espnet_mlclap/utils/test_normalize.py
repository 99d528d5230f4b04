"""Caption normalisation worked by hand; test/tools/test_check_golden.py has the reference's rows."""

import pytest

from espnet_mlclap.utils.normalize import NORMALIZERS, caption_length, normalize_caption


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
