"""Names from elsewhere (of files, of clips), made fit for one line of a terminal."""

import os
import unicodedata
from typing import Union

_UNSHOWN = (
    "Cc",
    "Cs",
    "Zl",
    "Zp",
)  # control characters, halves of characters, line and paragraph ends
_TURNS_TEXT = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def shown(name: Union[str, "os.PathLike[str]"]) -> str:
    """`name` with line breaks, terminal codes, bytes that are not UTF-8 and the like escaped.

    >>> shown("a\\x1b[2J.wav"), shown(os.fsdecode(b"caf\\xe9.wav"))
    ('a\\\\x1b[2J.wav', 'caf\\\\xe9.wav')
    """
    name = os.fspath(name)
    if name.isprintable():  # nearly always, for every clip that is read
        return name
    return "".join(map(_shown_character, name))


def shown_lines(text: str) -> str:
    """The same for a text of several lines."""
    return "\n".join(map(shown, text.split("\n")))


def is_unicode(text: str) -> bool:
    """Whether `text` can be written as UTF-8: no half characters, no bytes of another encoding."""
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _shown_character(character: str) -> str:
    if "\udc80" <= character <= "\udcff":  # Python's sign for a byte that is not UTF-8
        return f"\\x{ord(character) - 0xDC00:02x}"
    if unicodedata.category(character) in _UNSHOWN or character in _TURNS_TEXT:
        return character.encode("unicode_escape").decode("ascii")
    return character
