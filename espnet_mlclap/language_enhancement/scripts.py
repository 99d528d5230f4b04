"""Which script a text is written in, by Unicode's script property and the second half of FLORES codes."""

from functools import cache
from typing import Dict, Tuple

import regex

# FLORES script codes that stand for more than the one Unicode script of the same name (ISO 15924).
_UNICODE_SCRIPTS: Dict[str, Tuple[str, ...]] = {
    "Hans": ("Hani",),
    "Hant": ("Hani",),
    "Jpan": ("Hani", "Hira", "Kana"),
    "Hang": ("Hang", "Hani"),
}
# SONAR calls Santali sat_Beng, but it is written in Ol Chiki.
_FURTHER_SCRIPTS: Dict[str, Tuple[str, ...]] = {"sat_Beng": ("Olck",)}
# Scripts that put no space between words.
_UNSPACED = frozenset(("Hans", "Hant", "Jpan", "Khmr", "Laoo", "Mymr", "Thai", "Tibt"))
_COMMON = regex.compile(r"[\p{Script=Zyyy}\p{Script=Zinh}]")
_LETTER = regex.compile(r"\p{L}")
_WORD = regex.compile(r"[\p{L}\p{M}\p{N}]+(?:['’\-][\p{L}\p{M}\p{N}]+)*")


def script_of(lang: str) -> str:
    """Script part of a FLORES-200 code: "Latn" of "fra_Latn"."""
    return lang.partition("_")[2]


def script_share(text: str, lang: str) -> float:
    """Share of the letters in `text` that belong to the script of `lang`; 0 where there is no letter.

    Simplified and traditional Chinese are one script to Unicode. Letters of no script of their own
    (the Japanese mark for a long vowel) are not counted.
    """
    letters = "".join(_LETTER.findall(_COMMON.sub("", text)))
    if not letters:
        return 0.0
    return len(_pattern(lang).findall(letters)) / len(letters)


def words(text: str, lang: str) -> Tuple[str, ...]:
    """Words of `text` in lower case; characters where the script puts no space between words."""
    found = _WORD.findall(text.casefold())
    if script_of(lang) in _UNSPACED:
        return tuple("".join(found))
    return tuple(found)


@cache
def _pattern(lang: str):
    script = script_of(lang)
    names = _UNICODE_SCRIPTS.get(script, (script,)) + _FURTHER_SCRIPTS.get(lang, ())
    return regex.compile("[" + "".join(rf"\p{{Script={name}}}" for name in names) + "]")
