"""Your own clips and captions, in the Hugging Face AudioFolder layout.

    <corpus>/train/metadata.csv  (or .jsonl)   and the audio files that it names
    <corpus>/test/metadata.csv
    <corpus>/valid/metadata.csv                optional; also `validation` or `dev`

A row is one caption of one clip: `file_name` (relative to the split's folder), `caption`, optional `lang`
(FLORES-200 code, English where it is not given) and optional `label` (the clip's class, for zero-shot
classification). A clip may have any number of rows. Other columns are not used; one that looks
like a misspelt `lang` or `label` is an error.

A split may instead hold shards, `<corpus>/train/*.tar`, as `webdataset.py` reads them.
"""

import hashlib
import logging
import math
import os
from collections import Counter, defaultdict
from pathlib import Path
from typing import Dict, List, Optional, Set, Tuple, Union

from espnet_mlclap.corpora.clip_ids import clip_ids
from espnet_mlclap.corpora.rows import Row, read_rows
from espnet_mlclap.corpora.webdataset import read_shards
from espnet_mlclap.fileio.data_dir import Caption, DataDir, caption_id
from espnet_mlclap.fileio.recordings import file_inside
from espnet_mlclap.utils.errors import UserError
from espnet_mlclap.utils.languages import check_language
from espnet_mlclap.utils.shown import shown

_VALID_NAMES = ("valid", "validation", "dev")
_COLUMNS = ("file_name", "caption", "lang", "label")
# Names that are taken for a misspelt column, in addition to those in capitals.
_MISSPELT = {"language": "lang", "languages": "lang", "langs": "lang", "labels": "label"}
_WORDS_FOR_EMPTY = frozenset(("nan", "NaN", "None", "null", "NULL", "NA", "N/A", "<NA>"))
_DEFAULT_LANG = "eng_Latn"
_FEWEST_TO_SPLIT = 20  # training clips; with fewer, a tenth of them says nothing


def prepare_audio_folder(
    corpus: Union[str, Path],
    out_dir: Union[str, Path],
    *,
    valid_share: float = 0.1,
    skip_bad_audio: bool = False,
) -> Dict[str, DataDir]:
    """Write `train`, `valid` and `test` into `out_dir`.

    Without a validation split, `valid_share` of the training clips is taken for it: of each label
    its share, and the same clips each time. With fewer than 20 training clips, validation uses the
    training clips themselves.

    Args:
        corpus: folder of the splits.
        out_dir: folder for the data directories.
        valid_share: between 0 and 1.
        skip_bad_audio: accept rows whose audio file is missing; formatting leaves them out.

    Returns:
        The three sets.

    Raises:
        UserError: a split or a column is missing, or a row is broken; names file and line.
    """
    corpus, out_dir = Path(corpus).resolve(), Path(out_dir)
    if not 0 < valid_share < 1:
        raise UserError(f"--valid_share must lie between 0 and 1, not {valid_share}.")
    if not corpus.is_dir():
        raise UserError(f"{corpus}: no such folder. Give the folder that holds train/ and test/.")
    for split in ("train", "test"):
        if not (corpus / split).is_dir():
            raise UserError(f"{corpus}: there is no folder {split}/ in it.")
    given = [name for name in _VALID_NAMES if (corpus / name).is_dir()]
    if len(given) > 1:
        raise UserError(f"{corpus}: {' and '.join(given)} are both validation splits; keep one.")
    sets = {split: read_split(corpus / split, skip_bad_audio) for split in ("train", "test")}
    if given:
        sets["valid"] = read_split(corpus / given[0], skip_bad_audio)
    else:
        sets["train"], sets["valid"] = _split_off(sets["train"], valid_share, corpus)
    for name in ("train", "valid", "test"):
        data = sets[name]
        data.write(out_dir / name, f"{name} set of the AudioFolder {corpus}")
        counts = Counter(caption.lang for caption in data.captions.values())
        spread = ", ".join(f"{lang} {count}" for lang, count in sorted(counts.items()))
        logging.info("%s: %d clips; captions: %s", out_dir / name, len(data.wav_scp), spread)
    return sets


def read_split(folder: Union[str, Path], skip_bad_audio: bool = False) -> DataDir:
    """Read the folder of one split.

    Raises:
        UserError: see `prepare_audio_folder`.
    """
    folder = Path(folder)
    if any(folder.glob("*.tar")) and not any(folder.glob("metadata.*")):
        return read_shards(folder, prefix=f"{folder.name}_", lang=_DEFAULT_LANG)
    metadata = _metadata_file(folder)
    rows = read_rows(metadata, ("file_name", "caption"), verbatim=("file_name",))
    _check_columns(metadata, rows)
    _warn_of_empty_cells(metadata, rows)
    files = _audio_files(folder, rows, skip_bad_audio)
    ids = clip_ids(files, f"{folder.name}_")
    data = DataDir()
    seen: Dict[Tuple[str, str, str], str] = {}
    labels: Dict[str, Row] = {}
    numbers: Counter = Counter()
    for row in rows:
        name, text = row.values["file_name"], row.values["caption"]
        lang = check_language(row.values.get("lang") or _DEFAULT_LANG, row.where)
        if (name, lang, text) in seen:
            raise UserError(f"{row.where}: the row repeats {seen[name, lang, text]}. Remove one.")
        seen[name, lang, text] = row.where
        clip = ids[name]
        data.wav_scp.setdefault(clip, files[name])
        numbers[clip, lang] += 1
        data.captions[caption_id(clip, lang, numbers[clip, lang])] = Caption(text, clip, lang)
        label = row.values.get("label", "")
        first = labels.setdefault(clip, row)
        if label != first.values.get("label", ""):
            raise UserError(
                f"{row.where}: the label of {name!r} is {label!r} here and "
                f"{first.values.get('label', '')!r} in {first.where}. A clip has one label."
            )
        if label:
            data.labels[clip] = label
    for clip, row in labels.items():
        if data.labels and clip not in data.labels:
            raise UserError(
                f"{row.where}: no label, though other clips have one. Label all or none."
            )
    return data


def _metadata_file(folder: Path) -> Path:
    found = [path for path in (folder / "metadata.csv", folder / "metadata.jsonl") if path.exists()]
    if len(found) != 1:
        what = "both metadata.csv and metadata.jsonl" if found else "no metadata.csv or .jsonl"
        raise UserError(f"{folder}: {what}; there must be one of them.")
    return found[0]


def _check_columns(metadata: Path, rows: List[Row]) -> None:
    """Name the columns that are not used, once; one that must be meant for a known one is an error."""
    unused: Dict[str, None] = {}
    for row in rows:
        for column in row.values.keys() - set(_COLUMNS):
            meant = _MISSPELT.get(column.lower(), column.lower())
            if meant in _COLUMNS and meant not in row.values:
                raise UserError(
                    f"{metadata}: unknown column {column!r}. Call it {meant!r} if that is meant, else "
                    "something else, or remove it."
                )
            unused[column] = None
    if unused:
        logging.info("%s: columns that are not used: %s", metadata, ", ".join(sorted(unused)))


def _warn_of_empty_cells(metadata: Path, rows: List[Row]) -> None:
    """A program that writes tables may have put a word where a caption was missing."""
    found = [row for row in rows if row.values["caption"] in _WORDS_FOR_EMPTY]
    if found:
        logging.warning(
            "%s: %d captions are %r or the like, as programs write where there is none (first: %s). They are "
            "used as they are; remove the rows if they are no captions.",
            metadata,
            len(found),
            found[0].values["caption"],
            found[0].where,
        )


def _audio_files(folder: Path, rows: List[Row], skip_bad_audio: bool) -> Dict[str, str]:
    """Path of each clip by its name in the rows; blanks around a name count where the file has them."""
    files: Dict[str, str] = {}
    for row in rows:
        name = row.values["file_name"]
        if name.strip() != name and not os.path.isfile(folder / name):
            name = row.values["file_name"] = name.strip()
        if name not in files:
            files[name] = _audio_file(folder, name, row.where, skip_bad_audio)
    return files


def _audio_file(folder: Path, name: str, where: str, skip_bad_audio: bool) -> str:
    try:
        path = file_inside(folder, name, folder.parent)
    except UserError as error:
        raise UserError(f"{where}: {error}") from error
    if not os.path.isfile(path) and not skip_bad_audio:
        raise UserError(
            f"{where}: the audio file {shown(path)} does not exist. Fix or remove the row, or skip such "
            "clips with --skip_bad_audio true."
        )
    return str(path)


def _split_off(train: DataDir, share: float, corpus: Path) -> Tuple[DataDir, DataDir]:
    """Part `train` into training and validation set."""
    if len(train.wav_scp) < _FEWEST_TO_SPLIT:
        logging.warning(
            "%s: no validation split and only %d training clips: validation uses these clips too",
            corpus,
            len(train.wav_scp),
        )
        return train, train
    by_label: Dict[Optional[str], List[str]] = defaultdict(list)
    for clip in train.wav_scp:
        by_label[train.labels.get(clip)].append(clip)
    valid: Set[str] = set()
    for clips in by_label.values():
        clips.sort(key=lambda clip: hashlib.sha256(clip.encode()).hexdigest())
        # a label with a single clip stays in training
        valid.update(clips[: min(math.ceil(share * len(clips)), len(clips) - 1)])
    logging.info("%s: no validation split: %d training clips are taken for it", corpus, len(valid))
    return _select(train, set(train.wav_scp) - valid), _select(train, valid)


def _select(data: DataDir, clips: Set[str]) -> DataDir:
    return DataDir(
        wav_scp={clip: path for clip, path in data.wav_scp.items() if clip in clips},
        captions={key: value for key, value in data.captions.items() if value.clip in clips},
        labels={clip: label for clip, label in data.labels.items() if clip in clips},
    )
