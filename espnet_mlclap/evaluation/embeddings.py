"""Embeddings of a test set on disk, as stage 6 leaves them.

audio_embeddings.npy  [N, E] float32, one row per clip
clip_ids              one clip id per line, in the order of the rows
text_embeddings.npy   [M, E] float32, one row per caption
caption_ids           `<caption id> <clip id> <lang>` per line, in the order of the rows
caption_sources       `<caption id> <caption id>` per line: what says the same in the source language (for
                      captions in the others, where the set says so)
checksums             of these files, see `fileio/checksums.py`; what was made elsewhere may have none
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Dict, Iterable, List, Mapping, Optional, Set, Tuple, Union

import numpy as np

from espnet_mlclap.fileio.arrays import read_array
from espnet_mlclap.fileio.checksums import check_checksums, write_checksums
from espnet_mlclap.utils.atomic import atomic_dir
from espnet_mlclap.utils.errors import UserError
from espnet_mlclap.utils.languages import PAPER_LANGUAGES, PAPER_SOURCE, check_language
from espnet_mlclap.utils.reading import read_text

_REMEDY = "Run stage 6 again."


@dataclass(frozen=True)
class EmbeddingSet:
    """Clips and captions of a test set as vectors.

    Attributes:
        path: the folder that they were read from.
        audio: [N, E] float32.
        clips: clip ids [N].
        text: [M, E] float32.
        captions: caption ids [M].
        caption_to_clip: row of `audio` of each caption, int64 [M].
        langs: language of each caption [M].
        caption_sources: id of the caption that says the same in the source language, by caption id, where it
            is known.
    """

    path: Path
    audio: np.ndarray
    clips: List[str]
    text: np.ndarray
    captions: List[str]
    caption_to_clip: np.ndarray
    langs: List[str]
    caption_sources: Mapping[str, str] = field(default_factory=dict)

    @property
    def sources(self) -> List[str]:
        """For each caption [M] an id that is the same for all captions which say the same."""
        return [self.caption_sources.get(caption, caption) for caption in self.captions]

    @property
    def languages(self) -> List[str]:
        """Languages of the captions: English, those of the paper, the others."""
        return sort_languages(set(self.langs))

    def rows_of_language(self, lang: str) -> np.ndarray:
        """Rows of `text` whose captions are in `lang`."""
        return np.flatnonzero(np.array(self.langs) == lang)


def sort_languages(langs: Iterable[str], source_lang: str = PAPER_SOURCE) -> List[str]:
    """The source language, the paper's languages in the paper's order, then the others by code."""
    langs, first = set(langs), dict.fromkeys([source_lang, *PAPER_LANGUAGES])
    return [lang for lang in first if lang in langs] + sorted(langs - set(first))


def read_embeddings(folder: Union[str, Path]) -> EmbeddingSet:
    """Read and check the embeddings of one test set.

    Raises:
        UserError: a file is missing or broken, the counts of rows and ids differ, an id appears twice, a
            caption belongs to no clip, NaN or infinity, a file has changed since; names file and line.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder of embeddings. Run stage 6 first.")
    audio, text = (
        read_matrix(folder / "audio_embeddings.npy"),
        read_matrix(folder / "text_embeddings.npy"),
    )
    if audio.shape[1] != text.shape[1]:
        raise UserError(
            f"{folder}: clips have {audio.shape[1]} values and captions {text.shape[1]}; they are of "
            f"different models. {_REMEDY}"
        )
    clips = [fields[0] for fields in _read_fields(folder / "clip_ids", ("clip id",), len(audio))]
    rows = {clip: row for row, clip in enumerate(clips)}
    names = ("caption id", "clip id", "language")
    captions, owners, langs = zip(*_read_fields(folder / "caption_ids", names, len(text)))
    for number, clip in enumerate(owners, 1):
        if clip not in rows:
            raise UserError(
                f"{folder / 'caption_ids'}:{number}: the clip {clip!r} is not in {folder / 'clip_ids'}. "
                f"{_REMEDY}"
            )
    for number, lang in enumerate(langs, 1):
        check_language(lang, f"{folder / 'caption_ids'}:{number}")
    sources = _read_sources(folder / "caption_sources", set(captions))
    check_checksums(folder, _REMEDY)  # last: what else is wrong says more
    return EmbeddingSet(
        path=folder,
        audio=audio,
        clips=clips,
        text=text,
        captions=list(captions),
        caption_to_clip=np.array([rows[clip] for clip in owners]),
        langs=list(langs),
        caption_sources=sources,
    )


def write_embeddings(folder: Union[str, Path], embeddings: EmbeddingSet) -> None:
    """Write the embeddings of one test set, replacing what was there."""
    captions = zip(embeddings.captions, embeddings.caption_to_clip, embeddings.langs)
    rows = [f"{caption} {embeddings.clips[row]} {lang}\n" for caption, row, lang in captions]
    with atomic_dir(folder) as aside:
        np.save(aside / "audio_embeddings.npy", embeddings.audio)
        np.save(aside / "text_embeddings.npy", embeddings.text)
        (aside / "clip_ids").write_text(
            "".join(f"{clip}\n" for clip in embeddings.clips), encoding="utf-8"
        )
        (aside / "caption_ids").write_text("".join(rows), encoding="utf-8")
        if embeddings.caption_sources:
            pairs = [
                f"{caption} {source}\n" for caption, source in embeddings.caption_sources.items()
            ]
            (aside / "caption_sources").write_text("".join(pairs), encoding="utf-8")
        write_checksums(aside)


def _read_sources(path: Path, captions: Set[str]) -> Dict[str, str]:
    if not path.exists():
        return {}
    names = ("caption id", "caption id of its source")
    pairs = _read_fields(path, names, None)
    for number, (caption, _) in enumerate(pairs, 1):
        if caption not in captions:
            raise UserError(f"{path}:{number}: there is no caption {caption!r}. {_REMEDY}")
    return dict(pairs)


def read_matrix(path: Union[str, Path]) -> np.ndarray:
    """Read a matrix of embeddings.

    Raises:
        UserError: missing, not a numpy file, not a matrix of floats, NaN or infinity in it.
    """
    try:
        matrix = read_array(path)
    except UserError as error:
        raise UserError(f"{error} {_REMEDY}") from error
    if matrix.ndim != 2 or 0 in matrix.shape:
        raise UserError(f"{path}: must be a matrix [items, size], not {matrix.shape}. {_REMEDY}")
    if not np.issubdtype(matrix.dtype, np.floating):
        raise UserError(f"{path}: must hold floating-point numbers, not {matrix.dtype}. {_REMEDY}")
    bad = np.flatnonzero(~np.isfinite(matrix).all(axis=1))
    if len(bad):
        raise UserError(
            f"{path}: {len(bad)} of {len(matrix)} rows hold NaN or infinity (the first is row {bad[0]}, "
            "counted from 0). The model has diverged or its input was broken: look at the training log."
        )
    return matrix.astype(np.float32, copy=False)


def _read_fields(path: Path, names: Tuple[str, ...], expected: Optional[int]) -> List[List[str]]:
    try:
        lines = read_text(path).splitlines()
    except UserError as error:
        raise UserError(f"{error} {_REMEDY}") from error
    rows = []
    seen = {}
    for number, line in enumerate(lines, 1):
        fields = line.split(" ")
        if len(fields) != len(names) or "" in fields:
            wanted = " ".join(f"<{name}>" for name in names)
            raise UserError(f"{path}:{number}: must read `{wanted}`, not {line!r}. {_REMEDY}")
        if fields[0] in seen:
            raise UserError(
                f"{path}:{number}: the {names[0]} {fields[0]!r} is also in line {seen[fields[0]]}. {_REMEDY}"
            )
        seen[fields[0]] = number
        rows.append(fields)
    if expected is not None and len(rows) != expected:
        raise UserError(f"{path}: {len(rows)} lines for {expected} embeddings. {_REMEDY}")
    return rows
