"""AudioCaps (Kim et al., 2019): 10-second clips of YouTube videos with English captions.

One caption per clip for training, five for validation and test. The caption files are the authors'
(`train.csv`, `val.csv`, `test.csv`: audiocap_id, youtube_id, start_time, caption; version 1 or 2.0).
The audio is what the user has, or what `download_audiocaps` still gets: links rot, so clips without audio
are listed and left out. The captions are free for academic use; the rights in the audio are those of the
videos' owners.

Names under which a clip's file is looked for (youtube_id 7fmOlUlwoNg, start_time 20), any extension:
`Y7fmOlUlwoNg_20`, `7fmOlUlwoNg_20`, `7fmOlUlwoNg_20_30`, `7fmOlUlwoNg_20000_30000`, `7fmOlUlwoNg_20.000`,
`Y7fmOlUlwoNg`, `7fmOlUlwoNg` and `103549` (audiocap_id).
"""

import argparse
import json
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence, Tuple, Union

from espnet_mlclap.corpora.abs_corpus import AbsCorpus, add_test_options
from espnet_mlclap.corpora.captioned import CaptionedClip, PublishedSize, Split, prepare_splits
from espnet_mlclap.corpora.fetch import fetch_file
from espnet_mlclap.corpora.rows import Row, read_rows
from espnet_mlclap.corpora.youtube import ADDRESS, VideoClip, fetch_clips
from espnet_mlclap.fileio.data_dir import DataDir
from espnet_mlclap.utils.errors import UserError

SPLITS = ("train", "val", "test")
VERSIONS = {"1": "audiocaps", "2.0": "audiocaps2"}  # names in the table of files
_COLUMNS = ("audiocap_id", "youtube_id", "start_time", "caption")
_CLIP_SECONDS = 10
_FOLDERS = {"train": ("train",), "val": ("val", "valid", "validation"), "test": ("test",)}
_PUBLISHED = {
    "train": (PublishedSize("version 1", 49838, 49838), PublishedSize("version 2.0", None, 91256)),
    "val": (PublishedSize("all versions", 495, 2475),),
    "test": (
        PublishedSize("all versions", 975, 4875),
        PublishedSize("the test list of WavCaps and ML-CLAP", 957, 4785),
        PublishedSize("the videos that were left in December 2023", 883, 4415),
    ),
}


def download_audiocaps(
    folder: Union[str, Path],
    *,
    splits: Sequence[str] = SPLITS,
    version: str = "1",
    jobs: int = 1,
    address: str = ADDRESS,
    options: Optional[Dict[str, object]] = None,
) -> Dict[str, Dict[str, str]]:
    """Fetch the caption files, then the clips that are still available into `<folder>/<split>`.

    With the test split comes `test.json`, the 957 clips that WavCaps and ML-CLAP test with.

    Args:
        folder: to be given to `prepare_audiocaps` as both `captions_dir` and `audio_dir`. The caption
            files of version 2.0 are apart from those of version 1, in `<folder>/captions_2.0`.
        splits: of `SPLITS`.
        version: of the caption files, "1" or "2.0".
        jobs, address, options: see `fetch_clips`, which also says how missing clips are reported.

    Returns:
        Why clips are missing, by split and name.

    Raises:
        UserError: a caption file is not available, or no clip at all can be fetched.
    """
    missing = {}
    for split in splits:
        captions = Path(folder) if version == "1" else Path(folder) / f"captions_{version}"
        path = fetch_file(f"{VERSIONS[version]}_{split}_captions", captions)
        if split == "test":
            fetch_file("audiocaps_test_list", captions)
        wanted = [
            VideoClip(clip.clip, *_video_and_start(clip.clip), _CLIP_SECONDS)
            for clip in read_clips(path)
        ]
        missing[split] = fetch_clips(
            wanted, Path(folder) / split, jobs=jobs, address=address, options=options
        )
    return missing


def prepare_audiocaps(
    captions_dir: Union[str, Path],
    audio_dir: Union[str, Path],
    out_dir: Union[str, Path],
    **test: Any,
) -> Dict[str, DataDir]:
    """Write `audiocaps_train`, `audiocaps_val` and `audiocaps_test` into `out_dir`.

    Args:
        captions_dir: folder of the three caption files.
        audio_dir, out_dir: see `prepare_splits`.
        test: `test_captions`, `test_list` of `prepare_splits`. Given test captions are 957 clips in the
            paper; lists of 883 clips are in use too.

    Returns:
        The sets by split.

    Raises:
        UserError: a caption file is missing or broken, or none of a split's clips has audio.
    """
    splits = [
        Split(name, Path(captions_dir) / f"{name}.csv", _FOLDERS[name], _PUBLISHED[name])
        for name in SPLITS
    ]
    return prepare_splits("audiocaps", splits, read_clips, audio_dir, out_dir, **test)


def read_clips(path: Union[str, Path]) -> List[CaptionedClip]:
    """Read one of the authors' caption files.

    Raises:
        UserError: it is missing or broken, a start time is not a number, or a row appears twice.
    """
    rows: Dict[Tuple[str, str], List[Row]] = {}
    seen: Dict[str, str] = {}
    for row in read_rows(path, _COLUMNS):
        key = row.values["audiocap_id"]
        if key in seen:
            raise UserError(f"{row.where}: the audiocap_id {key} appears already in {seen[key]}.")
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
            source=f"youtube:{video}",
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


def _video_and_start(clip: str) -> Tuple[str, float]:
    video, _, start = clip[1:].rpartition("_")
    return video, float(start)


class AudioCaps(AbsCorpus):
    """For the commands: `mlclap download_corpus audiocaps`, `mlclap prepare_corpus audiocaps`."""

    parts = SPLITS
    caption_files = "train.csv, val.csv and test.csv"

    def add_download_options(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--version", choices=("1", "2.0"), default="1", help="of the captions")
        parser.add_argument("--jobs", type=int, default=2, help="clips at a time")
        parser.add_argument(
            "--yt_dlp",
            type=_json_object,
            default={},
            help='further options of yt-dlp as JSON, such as \'{"cookiefile": "cookies.txt"}\'',
        )

    def download(self, options: argparse.Namespace) -> None:
        if options.jobs < 1:
            raise UserError(f"--jobs {options.jobs}: must be 1 or more.")
        missing = download_audiocaps(
            options.out_dir,
            splits=options.parts,
            version=options.version,
            jobs=options.jobs,
            options=options.yt_dlp,
        )
        for split, reasons in missing.items():
            print(
                f"{split}: {len(reasons)} clips are missing: {options.out_dir}/{split}/missing.tsv"
            )

    def add_prepare_options(self, parser: argparse.ArgumentParser) -> None:
        add_test_options(parser)

    def prepare(self, options: argparse.Namespace) -> None:
        prepare_audiocaps(
            options.captions_dir,
            options.audio_dir,
            options.out_dir,
            test_captions=options.test_captions,
            test_list=options.test_list,
        )


def _json_object(text: str) -> Dict[str, Any]:
    value = json.loads(text)
    if not isinstance(value, dict):
        raise ValueError(text)
    return value
