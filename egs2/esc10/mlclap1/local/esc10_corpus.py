"""The recordings and captions of `corpus/` as data directories.

    corpus/clips.tsv     split (train, test), file name, label: a row for each recording
    corpus/captions.tsv  label, language, caption: every recording of a label has all captions of that label

Names are `<fold>-<Freesound id>-<take>`: several takes of one Freesound recording are in one fold. ESC-10 has
no validation set; one is taken from the training recordings, such that no Freesound recording is in both.

    data/train        English captions
    data/train_given  the same clips' captions in the seven other languages, for --translator file
    data/valid, data/test   captions in all eight languages
    data/relevant_test      the clips that each test caption fits: all of its label
    data/prompts.tsv        captions for zero-shot classification, also those of untrained.tsv: languages that
                            nobody trains
"""

import csv
import hashlib
import logging
from collections import defaultdict
from pathlib import Path
from typing import Dict, List, NamedTuple, Set

from espnet_mlclap.corpora.esc import read_label_captions
from espnet_mlclap.fileio.data_dir import Caption, DataDir, caption_id, write_table
from espnet_mlclap.utils.atomic import atomic_open
from espnet_mlclap.utils.errors import UserError

SOURCE_LANG = "eng_Latn"
_CAPTION_COLUMNS = ["label", "lang", "caption"]
# Of each label, at least. With one clip of a label, the clip that a caption was written for is all that it
# fits: validation by a caption's own clip is exact. And as few clips as can be are taken from training.
_VALID_CLIPS = 1


class Clip(NamedTuple):
    """One recording; `recording` is the Freesound recording that it was cut from."""

    name: str
    path: Path
    label: str
    split: str

    @property
    def recording(self) -> str:
        return "freesound:" + self.name.split("-")[1]


def prepare_esc10(corpus: Path, out_dir: Path) -> Dict[str, DataDir]:
    """Write `train`, `valid`, `test` and `train_given` into `out_dir`.

    Raises:
        UserError: a file is missing or has other columns, or a label has no captions.
    """
    chosen = read_sets(corpus)
    captions = read_captions_of_labels(corpus / "captions.tsv")
    for clip in (clip for clips in chosen.values() for clip in clips):
        if clip.label not in captions:
            raise UserError(f"{corpus}/clips.tsv: captions.tsv has no captions of {clip.label!r}.")
    sets = {name: _data_dir(members, captions) for name, members in chosen.items()}
    everything = sets["train"].captions
    sets["train"].caption_sources = {}
    sets["train"].captions = {k: c for k, c in everything.items() if c.lang == SOURCE_LANG}
    sets["train_given"] = DataDir(
        captions={k: c for k, c in everything.items() if c.lang != SOURCE_LANG}
    )
    for name, data in sets.items():
        data.write(out_dir / name, f"{name} set of ESC-10")
        logging.info(
            "%s: %d clips, %d captions", out_dir / name, len(data.wav_scp), len(data.captions)
        )
    _write_relevant(out_dir / "relevant_test", sets["test"])
    tables = [_rows(corpus / name, _CAPTION_COLUMNS) for name in ("captions.tsv", "untrained.tsv")]
    lines = [_CAPTION_COLUMNS, *(row.values() for table in tables for row in table)]
    with atomic_open(out_dir / "prompts.tsv") as file:
        file.writelines("\t".join(fields) + "\n" for fields in lines)
    return sets


def _write_relevant(path: Path, data: DataDir) -> None:
    clips: Dict[str, List[str]] = defaultdict(list)
    for clip, label in data.labels.items():
        clips[label].append(clip)
    fitting = {key: clips[data.labels[caption.clip]] for key, caption in data.captions.items()}
    write_table(path, {key: " ".join(sorted(value)) for key, value in fitting.items()})


def read_sets(corpus: Path) -> Dict[str, List[Clip]]:
    """The recordings of `train`, `valid` and `test`.

    Raises:
        UserError: a file is missing.
    """
    clips = read_clips(corpus)
    valid = _valid_recordings(clips)
    return {
        "train": [clip for clip in clips if clip.split == "train" and clip.recording not in valid],
        "valid": [clip for clip in clips if clip.split == "train" and clip.recording in valid],
        "test": [clip for clip in clips if clip.split == "test"],
    }


def read_clips(corpus: Path) -> List[Clip]:
    """The recordings of clips.tsv.

    Raises:
        UserError: a file is missing.
    """
    clips = []
    for row in _rows(corpus / "clips.tsv", ["split", "file_name", "label"]):
        path = (corpus / row["split"] / row["file_name"]).resolve()
        if not path.is_file():
            raise UserError(f"{path}: named in {corpus}/clips.tsv, but not there.")
        clips.append(Clip(path.stem, path, row["label"], row["split"]))
    return clips


def read_captions_of_labels(path: Path) -> Dict[str, Dict[str, List[str]]]:
    """Captions by label and language, in the order of the file."""
    captions: Dict[str, Dict[str, List[str]]] = defaultdict(lambda: defaultdict(list))
    for label, said in read_label_captions(path).items():
        for lang, text in said:
            captions[label][lang].append(text)
    return captions


def _rows(path: Path, columns: List[str]) -> List[Dict[str, str]]:
    try:
        with open(path, encoding="utf-8", newline="") as file:
            table = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
            rows = list(table)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}).") from error
    if table.fieldnames != columns:
        raise UserError(f"{path}:1: the columns must be {' '.join(columns)}, separated by tabs.")
    return rows


def _valid_recordings(clips: List[Clip]) -> Set[str]:
    """Freesound recordings for validation: of each label so many that they give `_VALID_CLIPS` or more.

    The smallest recordings come first (a recording may give eight clips), in an order by hash.
    """
    takes: Dict[str, Dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for clip in clips:
        if clip.split == "train":
            takes[clip.label][clip.recording] += 1
    valid = set()
    for counts in takes.values():
        found = 0
        for recording in sorted(counts, key=lambda name: (counts[name], _hash(name))):
            if found >= _VALID_CLIPS:
                break
            valid.add(recording)
            found += counts[recording]
    return valid


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _data_dir(clips: List[Clip], captions: Dict[str, Dict[str, List[str]]]) -> DataDir:
    data = DataDir()
    for clip in clips:
        data.wav_scp[clip.name] = str(clip.path)
        data.labels[clip.name] = clip.label
        data.sources[clip.name] = clip.recording
        for lang, texts in captions[clip.label].items():
            for number, text in enumerate(texts, 1):
                key = caption_id(clip.name, lang, number)
                data.captions[key] = Caption(text, clip.name, lang)
                if lang != SOURCE_LANG:  # the first are translations of the first
                    data.caption_sources[key] = caption_id(clip.name, SOURCE_LANG, number)
    return data
