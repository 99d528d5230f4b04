"""Rows of a Python program, such as those of a Hugging Face data set, into shards: each file is written once.

    from datasets import Audio, load_dataset

    rows = load_dataset("USER/NAME", split="train", streaming=True).cast_column("audio", Audio(decode=False))
    write_rows(rows, "sounds/train", captions={"eng_Latn": "caption"})

A clip's sound is what the data set holds, in any format; `webdataset.py` reads such shards where they are.
"""

import itertools
import json
from pathlib import Path, PurePosixPath
from typing import Any, Dict, Iterable, List, Mapping, Tuple, Union

from espnet_mlclap.fileio.audio import AUDIO_SUFFIXES
from espnet_mlclap.fileio.shards import CLIPS_PER_SHARD
from espnet_mlclap.fileio.tar_members import add_member, end_tar
from espnet_mlclap.utils.atomic import atomic_open, make_dir
from espnet_mlclap.utils.errors import UserError
from espnet_mlclap.utils.languages import check_language
from espnet_mlclap.utils.reading import read_bytes

Row = Mapping[str, Any]


def write_rows(
    rows: Iterable[Row],
    folder: Union[str, Path],
    *,
    captions: Mapping[str, str],
    audio: str = "audio",
    label: str = "",
    clips_per_shard: int = CLIPS_PER_SHARD,
) -> int:
    """Write `000000.tar` and so on; called again with the same rows, it goes on after the last shard.

    Args:
        rows: each has its sound as `{"bytes": ..., "path": ...}`, of which one may be None, or as a path.
        folder: where the shards go.
        captions: FLORES-200 code -> the column that has a caption, or a list of them.
        audio, label: further columns; no label if empty.
        clips_per_shard: rows in a shard.

    Returns:
        Number of rows.

    Raises:
        UserError: an unknown language, a column that is not there, a row without sound or captions; names
            the row.
    """
    for lang in captions:
        check_language(lang, "captions")
    folder = make_dir(folder)
    iterator, count = iter(rows), 0
    while found := list(itertools.islice(iterator, clips_per_shard)):
        shard = folder / f"{count // clips_per_shard:06d}.tar"
        if not shard.exists():
            with atomic_open(shard, "wb") as file:
                for place, row in enumerate(found, count):
                    where = f"row {place}"
                    sound, suffix = _sound(_value(row, audio, where), where)
                    about: Dict[str, Any] = {"captions": _captions(row, captions, where)}
                    if label:
                        about["label"] = str(_value(row, label, where))
                    add_member(file, f"{place:09d}{suffix}", sound)
                    add_member(file, f"{place:09d}.json", json.dumps(about).encode("ascii"))
                end_tar(file)
        count += len(found)
    return count


def _value(row: Row, column: str, where: str) -> Any:
    if column not in row:
        raise UserError(f"{where}: has no {column!r}; it has {', '.join(map(str, row))}.")
    return row[column]


def _sound(value: Any, where: str) -> Tuple[bytes, str]:
    """A file's bytes, and an ending that says that they are sound; which kind is seen when they are read."""
    content, path = value, None
    if isinstance(value, Mapping):
        content, path = value.get("bytes"), value.get("path")
    elif isinstance(value, (str, Path)):
        content, path = None, value
    if content is None and path is not None:
        content = read_bytes(path)
    if not isinstance(content, bytes) or not content:
        raise UserError(
            f"{where}: {type(value).__name__} is no file of sound. Take the audio of a Hugging Face data set "
            'undecoded: cast_column("audio", Audio(decode=False)).'
        )
    suffix = PurePosixPath(str(path or "")).suffix.lower()
    return content, suffix if suffix in AUDIO_SUFFIXES else ".wav"


def _captions(row: Row, columns: Mapping[str, str], where: str) -> Dict[str, List[str]]:
    found = {}
    for lang, column in columns.items():
        value = _value(row, column, where)
        texts = [value] if isinstance(value, str) else list(value or ())
        texts = [text for text in texts if isinstance(text, str) and text.strip()]
        if texts:
            found[lang] = texts
    if not found:
        raise UserError(
            f"{where}: has no caption in {', '.join(columns.values())}. Leave such rows out."
        )
    return found
