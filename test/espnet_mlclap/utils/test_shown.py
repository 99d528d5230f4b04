"""Names on a terminal: nothing in them acts on it."""

import os

from espnet_mlclap.utils.shown import shown


def test_what_would_act_on_a_terminal_is_escaped():
    assert shown("a\nb\x1b[31m\x7f\u2028\u202e.wav") == r"a\nb\x1b[31m\x7f\u2028\u202e.wav"
    assert shown(os.fsdecode(b"caf\xe9.wav")) == r"caf\xe9.wav"
    assert shown("half \ud83d") == r"half \ud83d"


def test_what_people_write_stays():
    for name in ("Été.wav", "日本語\u3000音.wav", "👩‍🚒 fire.wav", " a b "):
        assert shown(name) == name
