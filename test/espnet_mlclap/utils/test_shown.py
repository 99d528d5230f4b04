"""Names on a terminal: nothing in them acts on it."""

import os
import sys
import unicodedata

from espnet_mlclap.utils.errors import UserError
from espnet_mlclap.utils.shown import shown


def test_what_would_act_on_a_terminal_is_escaped():
    assert shown("a\nb\x1b[31m\x7f\u2028\u202e.wav") == r"a\nb\x1b[31m\x7f\u2028\u202e.wav"
    assert shown(os.fsdecode(b"caf\xe9.wav")) == r"caf\xe9.wav"
    assert shown("half \ud83d") == r"half \ud83d"


def test_what_people_write_stays():
    for name in ("Été.wav", "日本語\u3000音.wav", "👩‍🚒 fire.wav", " a b "):
        assert shown(name) == name


def test_every_character_that_prints_is_harmless():
    for code in range(sys.maxunicode + 1):
        if chr(code).isprintable():
            assert unicodedata.category(chr(code)) not in ("Cc", "Cf", "Cs", "Zl", "Zp")


def test_an_error_stays_short_whatever_it_quotes():
    message = str(UserError(f"a.csv:1: {'x' * 9000} is no name. Rename it."))
    assert len(message) < 600
    assert message.startswith("a.csv:1: xxx")
    assert message.endswith("xxx is no name. Rename it.")
    many = str(
        UserError(f"a.csv: the columns are {', '.join(map(str, range(9000)))}. Remove some.")
    )
    assert len(many) < 4100
    assert many.endswith("8999. Remove some.")
    assert str(UserError("short")) == "short"
