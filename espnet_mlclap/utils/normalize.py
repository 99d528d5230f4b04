"""Caption normalisation of the released ML-CLAP models, and its measure of a caption's length.

The published checkpoints were trained and tested on captions in this form (zyyan4/ml-clap, dataset.py,
`text_preprocess`), so they need it; it is off by default, since SONAR knows case and punctuation. Every
step is kept as it is there, odd ones included: runs of spaces are halved rather than removed, and only
some full-width signs count as punctuation, so "；", "（" and "」" stay.
"""

import re
from typing import Callable, Dict, Optional

from espnet_mlclap.utils.errors import UserError

# Languages written without spaces, whose captions are measured in characters.
UNSPACED_LANGUAGES = ("jpn_Jpan", "zho_Hans")

_SPACE_BEFORE_SIGN = re.compile(r'\s([，。！？：、,.!?;:"](?:\s|$))')
_SIGN = re.compile(r'[，。！？：、,.!?;:|*"()]')


def normalize_caption(caption: str) -> str:
    """Lower the case, drop spaces before punctuation, turn punctuation into spaces, halve double spaces.

    Example:
        >>> normalize_caption("A dog barks, then howls .")
        'a dog barks then howls '
    """
    caption = _SPACE_BEFORE_SIGN.sub(r"\1", caption.lower()).replace("  ", " ")
    return _SIGN.sub(" ", caption).replace("  ", " ")


def caption_length(caption: str, lang: str) -> int:
    """Length by which the reference drops long translations (`max_token_size`).

    Args:
        caption: as written, before normalisation.
        lang: FLORES-200 code.

    Returns:
        Words; for Japanese and Chinese the UTF-8 bytes without spaces, divided by three (a character
        of these scripts has three).
    """
    if lang in UNSPACED_LANGUAGES:
        return len(caption.replace(" ", "").encode("utf-8")) // 3
    return len(caption.split())


def _normalize(caption: str, lang: str) -> str:
    return normalize_caption(caption)


Normalizer = Callable[[str, str], str]

# The choices of `text_normalization`: what is done to a caption in a language before it is tokenised.
NORMALIZERS: Dict[str, Optional[Normalizer]] = {
    "none": None,
    "mlclap": _normalize,
}


def normalizer(name: str, where: str) -> Optional[Normalizer]:
    """What is done to captions, by its name.

    Raises:
        UserError: no such name; starts with `where`.
    """
    if name not in NORMALIZERS:
        choices = ", ".join(NORMALIZERS)
        raise UserError(f"{where}: text_normalization must be one of {choices}, not {name!r}.")
    return NORMALIZERS[name]
