"""Language codes: unknown ones are answered with those that may be meant."""

import pytest

from espnet_mlclap.utils.errors import UserError
from espnet_mlclap.utils.languages import check_language


@pytest.mark.parametrize(
    ("code", "near"),
    [
        ("fr", "fra_Latn"),
        ("es-MX", "spa_Latn"),
        ("JA", "jpn_Jpan"),
        ("zh_CN", "zho_Hans"),
        ("zho", "zho_Hans or zho_Hant"),
        ("zh-TW", "zho_Hant"),
        ("zh_Hant_HK", "zho_Hant"),
        ("ara", "arb_Arab"),
        ("ger", "deu_Latn"),
        ("chi", "zho_Hans"),
        ("fas", "pes_Arab"),
        ("swa", "swh_Latn"),
        ("msa", "zsm_Latn"),
        ("english", "eng_Latn"),
        ("fra_Latin", "fra_Latn"),
        ("dra_Latn", "fra_Latn"),
    ],
)
def test_near_codes_are_named(code, near):
    with pytest.raises(UserError, match=f"--lang: unknown language code '{code}'.*") as error:
        check_language(code, "--lang")
    assert near in str(error.value).partition("Did you mean ")[2]


def test_known_codes_pass():
    assert check_language("fra_Latn") == "fra_Latn"
