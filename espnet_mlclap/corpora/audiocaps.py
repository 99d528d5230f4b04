"""AudioCaps (Kim et al., 2019): 10-second clips of YouTube videos with English captions.

One caption a clip for training, five for validation and test. The caption files are the authors'
(`train.csv`, `val.csv`, `test.csv`: audiocap_id, youtube_id, start_time, caption; version 1 or 2.0).
The audio is whatever the user has: links rot, so clips without audio are listed and left out. The
captions are free for academic use; the rights in the audio are those of the videos' owners.

Names under which a clip's file is looked for (youtube_id 7fmOlUlwoNg, start_time 20), any extension:
`Y7fmOlUlwoNg_20`, `7fmOlUlwoNg_20`, `7fmOlUlwoNg_20_30`, `7fmOlUlwoNg_20000_30000`, `7fmOlUlwoNg_20.000`,
`Y7fmOlUlwoNg`, `7fmOlUlwoNg` and `103549` (audiocap_id).
"""

from pathlib import Path
from typing import Dict, List, Sequence, Tuple, Union

from espnet_mlclap.corpora.audio_index import AudioIndex, split_folder
from espnet_mlclap.corpora.captioned import CaptionedClip, PublishedSize, write_set
from espnet_mlclap.corpora.ml_clap_captions import read_given_captions
from espnet_mlclap.corpora.rows import Row, read_rows
from espnet_mlclap.fileio.data_dir import DataDir
from espnet_mlclap.utils.errors import UserError

_COLUMNS = ("audiocap_id", "youtube_id", "start_time", "caption")
_CLIP_SECONDS = 10
_FOLDERS = {"train": ("train",), "val": ("val", "valid", "validation"), "test": ("test",)}
_PUBLISHED = {
    "train": (
        PublishedSize("version 1", 49838, 49838),
        PublishedSize("version 2.0", 91256, 91256),
    ),
    "val": (PublishedSize("all versions", 495, 2475),),
    "test": (
        PublishedSize("all versions", 975, 4875),
        PublishedSize("the ML-CLAP test list", 957, 4785),
    ),
}


def prepare_audiocaps(
    captions_dir: Union[str, Path],
    audio_dir: Union[str, Path],
    out_dir: Union[str, Path],
    *,
    test_captions: Sequence[Union[str, Path]] = (),
) -> Dict[str, DataDir]:
    """Write `audiocaps_train`, `audiocaps_val` and `audiocaps_test` into `out_dir`.

    Args:
        captions_dir: folder of the three caption files.
        audio_dir: folder of the audio, in folders train, val and test or all together.
        out_dir: folder for the data directories; the clips without audio are listed there in
            `audiocaps_<split>.missing`.
        test_captions: JSON files of given test captions (see `ml_clap_captions`). With these, the
            test set is the clips they name and the captions they give (957 clips in the paper).

    Returns:
        The sets by split.

    Raises:
        UserError: a caption file is missing or broken, or none of a split's clips has audio.
    """
    if not Path(audio_dir).is_dir():
        raise UserError(
            f"{audio_dir}: no such folder (audio of AudioCaps; set AUDIOCAPS_AUDIO in db.sh)."
        )
    sets = {}
    for split, folders in _FOLDERS.items():
        clips = read_clips(Path(captions_dir) / f"{split}.csv")
        if split == "test" and test_captions:
            clips = _given_test(clips, test_captions)
        sets[split], _ = write_set(
            clips,
            AudioIndex(split_folder(audio_dir, folders)),
            Path(out_dir) / f"audiocaps_{split}",
            note=f"AudioCaps, {split} split, captions from {captions_dir}",
            published=_PUBLISHED[split],
        )
    return sets


def read_clips(path: Union[str, Path]) -> List[CaptionedClip]:
    """Read one of the authors' caption files.

    Raises:
        UserError: it is missing or broken, a start time is not a number, or a row stands twice.
    """
    rows: Dict[Tuple[str, str], List[Row]] = {}
    seen: Dict[str, str] = {}
    for row in read_rows(path, _COLUMNS):
        key = row.values["audiocap_id"]
        if key in seen:
            raise UserError(f"{row.where}: the audiocap_id {key} stands in {seen[key]} already.")
        seen[key] = row.where
        if not row.values["start_time"].isdigit():
            raise UserError(
                f"{row.where}: start_time {row.values['start_time']!r} is not in seconds."
            )
        rows.setdefault((row.values["youtube_id"], row.values["start_time"]), []).append(row)
    return [
        CaptionedClip(
            clip=f"Y{video}_{start}",
            stems=_stems(video, int(start), [row.values["audiocap_id"] for row in of_clip]),
            captions=[("eng_Latn", row.values["caption"]) for row in of_clip],
        )
        for (video, start), of_clip in rows.items()
    ]


def _stems(video: str, start: int, numbers: Sequence[str]) -> List[str]:
    end = start + _CLIP_SECONDS
    return [
        f"Y{video}_{start}",
        f"{video}_{start}",
        f"{video}_{start}_{end}",
        f"{video}_{start}000_{end}000",
        f"{video}_{start}.000",
        f"Y{video}",
        video,
        *numbers,
    ]


def _given_test(
    clips: Sequence[CaptionedClip], paths: Sequence[Union[str, Path]]
) -> List[CaptionedClip]:
    of_stem = {stem: clip for clip in clips for stem in clip.stems}
    chosen = []
    for name, captions in read_given_captions(paths).items():
        if name not in of_stem:
            raise UserError(f"{paths[0]}: the clip {name!r} is not in test.csv.")
        chosen.append(of_stem[name]._replace(captions=captions))
    return chosen
