"""ESC-50 and ESC-10 (Piczak, ACM Multimedia 2015): 5 s from Freesound with one of 50, or 10, labels.

The authors' repository holds `audio/*.wav` and their list `meta/esc50.csv` (filename, fold, target, category,
esc10, src_file, take). All takes of one Freesound recording are in one of five folds. ESC-50 is for
non-commercial use (CC BY-NC 3.0); its subset ESC-10 is CC BY 3.0.

The corpora have labels instead of captions. Captions come from a file of captions for each label in any
number of languages (the recipe esc10 brings one for ESC-10), or are "The sound of crying baby.".
"""

import argparse
import csv
import logging
import shutil
import zipfile
import zlib
from collections import defaultdict
from pathlib import Path, PurePosixPath
from typing import Dict, List, Mapping, Optional, Sequence, Tuple, Union

from espnet_mlclap.corpora.abs_corpus import AbsCorpus
from espnet_mlclap.corpora.audio_index import AudioIndex
from espnet_mlclap.corpora.captioned import CaptionedClip, write_set
from espnet_mlclap.corpora.fetch import fetch_audio
from espnet_mlclap.corpora.rows import Row, read_rows
from espnet_mlclap.fileio.data_dir import DataDir
from espnet_mlclap.utils.errors import UserError
from espnet_mlclap.utils.languages import check_language
from espnet_mlclap.utils.reading import read_text

FOLDS = (1, 2, 3, 4, 5)
LIST = "esc50.csv"
_COLUMNS = ("filename", "fold", "category", "esc10", "src_file")
_LICENCES = ("LICENSE", "README.md")
_CAPTION_COLUMNS = ["label", "lang", "caption"]
LabelCaptions = Mapping[str, Sequence[Tuple[str, str]]]  # label -> (language, caption)


def download_esc(folder: Union[str, Path], *, esc10_only: bool) -> None:
    """Fetch the repository's archive (646 MB) and put recordings, list and licence into `<folder>/audio`.

    The archive continues where it was interrupted, is verified, and removed when it is unpacked.
    `<folder>/audio` is then `captions_dir` and `audio_dir` of `prepare_esc`.

    Args:
        folder: of the corpus.
        esc10_only: put only the 400 recordings of ESC-10 there (176 MB) instead of 2000 (882 MB).

    Raises:
        UserError: no network, a damaged archive (see `download`), or no room.
    """

    def unpack(archive: Path, inside: Path) -> None:
        try:
            with zipfile.ZipFile(archive) as file:
                _unpack(file, inside, esc10_only)
        except (OSError, zipfile.BadZipFile, zlib.error) as error:
            raise UserError(
                f"{archive}: damaged ({error}). Delete it and fetch it again."
            ) from error

    fetch_audio("esc50_archive", Path(folder) / "audio", unpack)


def _unpack(file: zipfile.ZipFile, inside: Path, esc10_only: bool) -> None:
    by_name = {PurePosixPath(name).name: name for name in file.namelist() if name[-1] != "/"}

    def copy(name: str) -> None:
        if name not in by_name:
            raise zipfile.BadZipFile(f"{name} is not in it")
        with file.open(by_name[name]) as source, (inside / name).open("wb") as target:
            shutil.copyfileobj(source, target)  # the end of a file is where its CRC is verified

    for name in (LIST, *_LICENCES):
        copy(name)
    for row in _listed(inside / LIST, esc10_only):
        copy(PurePosixPath(row.values["filename"]).name)


def prepare_esc(
    captions_dir: Union[str, Path],
    audio_dir: Union[str, Path],
    out_dir: Union[str, Path],
    *,
    esc10_only: bool,
    valid_fold: int = 4,
    test_fold: int = 5,
    captions: Optional[Union[str, Path]] = None,
) -> Dict[str, DataDir]:
    """Write `esc10_train`, `_valid` and `_test` (or `esc50_...`) with labels into `out_dir`.

    Args:
        captions_dir: folder of esc50.csv (`meta` of the repository).
        audio_dir: folder of the recordings.
        out_dir: folder for the data directories.
        esc10_only: the recordings of ESC-10 instead of all.
        valid_fold, test_fold: of the five; the other three are for training.
        captions: file of captions of the labels (see `read_label_captions`).

    Returns:
        The sets by name.

    Raises:
        UserError: a file is missing or broken, a fold that there is not, a label without captions, or a
            set of which no recording is there.
    """
    if not {valid_fold, test_fold} <= set(FOLDS) or valid_fold == test_fold:
        raise UserError(
            f"folds {valid_fold} and {test_fold}: validation and test need two different of 1 to 5."
        )
    path = Path(captions_dir) / LIST
    rows = _listed(path, esc10_only)
    of_label = None if captions is None else read_label_captions(captions)
    folds = {"valid": (valid_fold,), "test": (test_fold,)}
    folds = {"train": tuple(set(FOLDS) - {valid_fold, test_fold}), **folds}
    index = AudioIndex(audio_dir)
    corpus = "esc10" if esc10_only else "esc50"
    sets = {}
    for name, chosen in folds.items():
        clips = [
            _clip(row, of_label, captions) for row in rows if int(row.values["fold"]) in chosen
        ]
        note = f"{corpus}, folds {' '.join(map(str, sorted(chosen)))}"
        sets[name] = write_set(clips, index, Path(out_dir) / f"{corpus}_{name}", note=note)
    return sets


def _listed(path: Path, esc10_only: bool) -> List[Row]:
    rows = read_rows(path, _COLUMNS)
    for row in rows:
        if row.values["fold"] not in map(str, FOLDS):
            raise UserError(f"{row.where}: fold: {row.values['fold']!r} is not one of 1 to 5.")
    chosen = [row for row in rows if row.values["esc10"] == "True" or not esc10_only]
    logging.info("%s: %d recordings, of which %d are taken", path, len(rows), len(chosen))
    return chosen


def _clip(
    row: Row, of_label: Optional[LabelCaptions], captions: Optional[Union[str, Path]]
) -> CaptionedClip:
    stem = PurePosixPath(row.values["filename"]).stem
    label = row.values["category"]
    if of_label is None:
        said: Sequence[Tuple[str, str]] = [("eng_Latn", f"The sound of {label.replace('_', ' ')}.")]
    elif label in of_label:
        said = of_label[label]
    else:
        raise UserError(f"{captions}: there is no caption of {label!r} ({row.where}). Add some.")
    return CaptionedClip(stem, [stem], said, f"freesound:{row.values['src_file']}", label)


def read_label_captions(path: Union[str, Path]) -> Dict[str, List[Tuple[str, str]]]:
    """Read captions of labels: UTF-8, tab-separated, with the header `label lang caption`.

    Returns:
        (language, caption) of each label, in the order of the file.

    Raises:
        UserError: missing, another header, a line with other than three fields, an unknown language.
    """
    lines = list(csv.reader(read_text(path).splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE))
    if not lines or lines[0] != _CAPTION_COLUMNS:
        columns = " ".join(_CAPTION_COLUMNS)
        raise UserError(f"{path}:1: the columns must be {columns}, separated by tabs.")
    captions: Dict[str, List[Tuple[str, str]]] = defaultdict(list)
    for number, fields in enumerate(lines[1:], 2):
        if len(fields) != 3 or not all(field.strip() for field in fields):
            raise UserError(
                f"{path}:{number}: must have a label, a language and a caption, separated by tabs."
            )
        label, lang, caption = (field.strip() for field in fields)
        check_language(lang, f"{path}:{number}")
        captions[label].append((lang, caption))
    return dict(captions)


class Esc50(AbsCorpus):
    """For the commands: `mlclap download_corpus esc50`, `mlclap prepare_corpus esc50`."""

    parts = ("all",)
    caption_files = LIST
    esc10_only = False

    def download(self, options: argparse.Namespace) -> None:
        download_esc(options.out_dir, esc10_only=self.esc10_only)

    def add_prepare_options(self, parser: argparse.ArgumentParser) -> None:
        add = parser.add_argument
        add("--valid_fold", type=int, default=4, help="fold for validation, 1 to 5 (4)")
        add("--test_fold", type=int, default=5, help="fold for the test, 1 to 5 (5)")
        add("--captions", help="TSV file label, lang, caption: captions instead of labels")

    def prepare(self, options: argparse.Namespace) -> None:
        prepare_esc(
            options.captions_dir,
            options.audio_dir,
            options.out_dir,
            esc10_only=self.esc10_only,
            valid_fold=options.valid_fold,
            test_fold=options.test_fold,
            captions=options.captions,
        )


class Esc10(Esc50):
    """For the commands: `mlclap download_corpus esc10`, `mlclap prepare_corpus esc10`."""

    esc10_only = True
