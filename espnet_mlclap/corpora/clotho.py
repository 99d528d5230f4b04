"""Clotho (Drossos et al., 2020): clips of 15 to 30 s from Freesound, five English captions each.

The caption files are the authors' (`clotho_captions_development.csv`, `..._validation.csv`,
`..._evaluation.csv`: file_name, caption_1 ... caption_5), the audio that of the archives on Zenodo,
unpacked as `development/`, `validation/` and `evaluation/`. Captions: Tampere University licence
(non-commercial, with attribution); each clip has its own Creative Commons licence.
"""

import argparse
from pathlib import Path, PurePath
from typing import Any, Dict, List, Sequence, Union

from espnet_mlclap.corpora.abs_corpus import AbsCorpus, add_test_options
from espnet_mlclap.corpora.captioned import CaptionedClip, PublishedSize, Split, prepare_splits
from espnet_mlclap.corpora.clip_ids import clip_ids
from espnet_mlclap.corpora.fetch import fetch_audio, fetch_file, unpack_7z
from espnet_mlclap.corpora.rows import read_rows
from espnet_mlclap.fileio.data_dir import DataDir
from espnet_mlclap.utils.errors import UserError

SPLITS = ("development", "validation", "evaluation")
_CAPTIONS = tuple(f"caption_{number}" for number in range(1, 6))
_PUBLISHED = {
    "development": (
        PublishedSize("version 2.1", 3839, 19195),
        PublishedSize("version 1", 2893, 14465),
    ),
    "validation": (PublishedSize("version 2.1", 1045, 5225),),
    "evaluation": (PublishedSize("all versions", 1045, 5225),),
}


def download_clotho(folder: Union[str, Path], *, splits: Sequence[str] = SPLITS) -> None:
    """Fetch Clotho 2.1 from Zenodo into `folder`: captions, metadata, and `<folder>/<split>/*.wav`.

    Archives are verified by the md5 sums that Zenodo states, continue where they were interrupted, and are
    removed when they are unpacked. `folder` is then `captions_dir` and `audio_dir` of `prepare_clotho`.

    Raises:
        UserError: no network, damaged files (see `download`), or no room.
    """
    for split in splits:
        fetch_file(f"clotho_{split}_captions", folder)
        fetch_file(f"clotho_{split}_metadata", folder)
        fetch_audio(f"clotho_{split}_audio", Path(folder) / split, unpack_7z)


def prepare_clotho(
    captions_dir: Union[str, Path],
    audio_dir: Union[str, Path],
    out_dir: Union[str, Path],
    **test: Any,
) -> Dict[str, DataDir]:
    """Write `clotho_development`, `clotho_validation` and `clotho_evaluation` into `out_dir`.

    Version 1 has no validation split: where its caption file is missing, that set is not written.

    Args:
        captions_dir: folder of the caption files; the ids that the sounds have on Freesound are taken
            from `clotho_metadata_<split>.csv` in it, where that is there.
        audio_dir: folder of the splits' folders (or `clotho_audio_<split>`), or of all files.
        out_dir, test: see `prepare_splits` (`test_captions`, `test_list`).

    Returns:
        The sets by split.

    Raises:
        UserError: a caption file is missing or broken, or none of a split's clips has audio.
    """
    splits = [
        Split(
            name,
            Path(captions_dir) / f"clotho_captions_{name}.csv",
            (name, f"clotho_audio_{name}"),
            _PUBLISHED[name],
        )
        for name in SPLITS
    ]
    there = [one for one in splits if one.name != "validation" or one.captions.exists()]
    return prepare_splits("clotho", there, read_clips, audio_dir, out_dir, **test)


def read_clips(path: Union[str, Path]) -> List[CaptionedClip]:
    """Read one of the authors' caption files.

    Raises:
        UserError: it is missing or broken, or a file name appears twice.
    """
    rows = read_rows(path, ("file_name", *_CAPTIONS))
    where: Dict[str, str] = {}
    for row in rows:
        name = row.values["file_name"]
        if name in where:
            raise UserError(f"{row.where}: {name!r} appears already in {where[name]}. Remove one.")
        where[name] = row.where
    ids = clip_ids(where, "clotho_")
    metadata = Path(path).name.replace("captions", "metadata")
    sources = (
        _freesound_ids(Path(path).with_name(metadata)) if "captions" in Path(path).name else {}
    )
    return [
        CaptionedClip(
            clip=ids[row.values["file_name"]],
            stems=[PurePath(row.values["file_name"]).stem],
            captions=[("eng_Latn", row.values[name]) for name in _CAPTIONS],
            source=sources.get(row.values["file_name"], ""),
        )
        for row in rows
    ]


def _freesound_ids(path: Path) -> Dict[str, str]:
    """Source by file name from a metadata file (in Latin-1), for the sounds that have an id there."""
    if not path.exists():
        return {}
    rows = read_rows(path, ("file_name",), encoding="latin-1")
    found = {row.values["file_name"]: row.values.get("sound_id", "") for row in rows}
    return {name: f"freesound:{number}" for name, number in found.items() if number.isdigit()}


class Clotho(AbsCorpus):
    """For the commands: `mlclap download_corpus clotho`, `mlclap prepare_corpus clotho`."""

    parts = SPLITS
    caption_files = "clotho_captions_<split>.csv (and clotho_metadata_<split>.csv)"

    def download(self, options: argparse.Namespace) -> None:
        download_clotho(options.out_dir, splits=options.parts)

    def add_prepare_options(self, parser: argparse.ArgumentParser) -> None:
        add_test_options(parser)

    def prepare(self, options: argparse.Namespace) -> None:
        prepare_clotho(
            options.captions_dir,
            options.audio_dir,
            options.out_dir,
            test_captions=options.test_captions,
            test_list=options.test_list,
        )
