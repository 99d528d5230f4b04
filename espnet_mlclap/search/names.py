"""File names that are not UTF-8 as text that databases take, and back.

A file name is bytes. Python gives those that are not UTF-8 as halves of characters, which cannot be written;
a library keeps them as the last 128 characters of Unicode's private use, which no name of people's has in it.
"""

from espnet_mlclap.utils.shown import is_unicode

_KEPT = {0xDC00 + byte: 0x10FF00 + byte for byte in range(0x80, 0x100)}
_GIVEN = {character: half for half, character in _KEPT.items()}


def kept(name: str) -> str:
    """`name` as a library keeps it."""
    return name if is_unicode(name) else name.translate(_KEPT)


def given(text: str) -> str:
    """The name that was kept as `text`."""
    return text if text.isascii() else text.translate(_GIVEN)


def can_be_kept(name: str) -> bool:
    """Whether `name` comes back as it is."""
    return is_unicode(kept(name)) and given(kept(name)) == name
