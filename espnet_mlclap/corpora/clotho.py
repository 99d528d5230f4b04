"""Clotho (Drossos et al., 2020): clips of 15 to 30 s from Freesound, five English captions each.

The caption files are the authors' (`clotho_captions_development.csv`, `..._validation.csv`,
`..._evaluation.csv`: file_name, caption_1 ... caption_5), the audio that of the archives on Zenodo,
unpacked as `development/`, `validation/` and `evaluation/`. Captions: Tampere University licence
(non-commercial, with attribution); each clip has its own Creative Commons licence.
"""

from pathlib import Path, PurePath
from typing import Dict, List, Sequence, Union

from espnet_mlclap.corpora.audio_index import AudioIndex, split_folder
from espnet_mlclap.corpora.captioned import CaptionedClip, PublishedSize, write_set
from espnet_mlclap.corpora.clip_ids import clip_ids
from espnet_mlclap.corpora.ml_clap_captions import read_given_captions
from espnet_mlclap.corpora.rows import read_rows
from espnet_mlclap.fileio.data_dir import DataDir
from espnet_mlclap.utils.errors import UserError

_CAPTIONS = tuple(f"caption_{number}" for number in range(1, 6))
_PUBLISHED = {
    "development": (
        PublishedSize("version 2.1", 3839, 19195),
        PublishedSize("version 1", 2893, 14465),
    ),
    "validation": (PublishedSize("version 2.1", 1045, 5225),),
    "evaluation": (PublishedSize("all versions", 1045, 5225),),
}


def prepare_clotho(
    captions_dir: Union[str, Path],
    audio_dir: Union[str, Path],
    out_dir: Union[str, Path],
    *,
    test_captions: Sequence[Union[str, Path]] = (),
) -> Dict[str, DataDir]:
    """Write `clotho_development`, `clotho_validation` and `clotho_evaluation` into `out_dir`.

    Version 1 has no validation split: where its caption file is missing, that set is not written.

    Args:
        captions_dir: folder of the caption files.
        audio_dir: folder of the splits' folders (or `clotho_audio_<split>`), or of all files.
        out_dir: folder for the data directories; clips without audio are listed there in
            `clotho_<split>.missing`.
        test_captions: JSON files of given test captions (see `ml_clap_captions`): the evaluation set
            is the clips they name and the captions they give.

    Returns:
        The sets by split.

    Raises:
        UserError: a caption file is missing or broken, or none of a split's clips has audio.
    """
    if not Path(audio_dir).is_dir():
        raise UserError(
            f"{audio_dir}: no such folder (audio of Clotho; set CLOTHO_AUDIO in db.sh)."
        )
    sets = {}
    for split, published in _PUBLISHED.items():
        path = Path(captions_dir) / f"clotho_captions_{split}.csv"
        if split == "validation" and not path.exists():
            continue
        clips = read_clips(path)
        if split == "evaluation" and test_captions:
            clips = _given_test(clips, test_captions)
        sets[split], _ = write_set(
            clips,
            AudioIndex(split_folder(audio_dir, (split, f"clotho_audio_{split}"))),
            Path(out_dir) / f"clotho_{split}",
            note=f"Clotho, {split} split, captions from {captions_dir}",
            published=published,
        )
    return sets


def read_clips(path: Union[str, Path]) -> List[CaptionedClip]:
    """Read one of the authors' caption files.

    Raises:
        UserError: it is missing or broken, or a file name stands twice.
    """
    rows = read_rows(path, ("file_name", *_CAPTIONS))
    where: Dict[str, str] = {}
    for row in rows:
        name = row.values["file_name"]
        if name in where:
            raise UserError(f"{row.where}: {name!r} stands in {where[name]} already. Remove one.")
        where[name] = row.where
    ids = clip_ids(where, "clotho_")
    return [
        CaptionedClip(
            clip=ids[row.values["file_name"]],
            stems=[PurePath(row.values["file_name"]).stem],
            captions=[("eng_Latn", row.values[name]) for name in _CAPTIONS],
        )
        for row in rows
    ]


def _given_test(
    clips: Sequence[CaptionedClip], paths: Sequence[Union[str, Path]]
) -> List[CaptionedClip]:
    of_stem = {clip.stems[0]: clip for clip in clips}
    chosen = []
    for name, captions in read_given_captions(paths).items():
        if name not in of_stem:
            raise UserError(f"{paths[0]}: the clip {name!r} is not in the evaluation split.")
        chosen.append(of_stem[name]._replace(captions=captions))
    return chosen
