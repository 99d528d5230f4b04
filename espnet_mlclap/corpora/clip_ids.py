"""Clip ids from file names: letters, digits, '_', '-' and '.' only, and no two alike."""

import hashlib
import re
import unicodedata
from collections import Counter
from pathlib import PurePath
from typing import Dict, Iterable


def clip_ids(file_names: Iterable[str], prefix: str = "") -> Dict[str, str]:
    """Give each file name an id that is safe as a key and as the name of a file.

    A name of plain characters, alone of its kind, is kept (without its extension; '/' becomes '_').
    From others what is not plain is taken out and eight digits of a hash of the whole name are added,
    so that an id depends on its own name, and on no other unless two would be alike.

    Args:
        file_names: distinct names.
        prefix: what the ids begin with, such as "clotho_".

    Returns:
        The ids by file name.
    """
    names = list(file_names)
    plain = {name: _plain(name) for name in names}
    uses = Counter(text.casefold() for text in plain.values())
    ids = {}
    for name in names:
        stem = str(PurePath(name).with_suffix("")).replace("/", "_")
        text = plain[name]
        if text != stem or uses[text.casefold()] > 1:
            digest = hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()[:8]
            text = f"{text}-{digest}" if text else digest
        ids[name] = prefix + text
    return ids


def _plain(name: str) -> str:
    stem = str(PurePath(name).with_suffix("")).replace("/", "_")
    ascii_only = unicodedata.normalize("NFKD", stem).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9_.-]+", "_", ascii_only).strip("_.")[:80]
