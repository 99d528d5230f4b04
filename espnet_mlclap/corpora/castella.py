"""CASTELLA (Munakata et al., 2025): recordings of one to five minutes, moments with captions in English
and Japanese.

The annotations are the authors' (`en/<split>.json`, `ja/<split>.json`: yid, global_caption, moments with
local_caption and timestamps in seconds), CC BY 4.0. The sound is that of the videos on YouTube, their
first five minutes; the rights in it are their owners'. A file is looked for as `<yid>.<any extension>`.
"""

import argparse
import json
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence, Union

from espnet_mlclap.corpora.abs_corpus import AbsCorpus
from espnet_mlclap.corpora.fetch import fetch_file
from espnet_mlclap.corpora.moment_sets import LongRecording, spans_of, write_moments
from espnet_mlclap.corpora.youtube import ADDRESS, VideoClip, fetch_clips
from espnet_mlclap.fileio.data_dir import DataDir
from espnet_mlclap.utils.errors import UserError
from espnet_mlclap.utils.reading import read_json

SPLITS = ("train", "val", "test")
LANGS = {"en": "eng_Latn", "ja": "jpn_Jpan"}
_FIRST_SECONDS = 300  # of a video that were annotated


def download_castella(
    folder: Union[str, Path],
    *,
    splits: Sequence[str] = SPLITS,
    jobs: int = 1,
    address: str = ADDRESS,
    options: Optional[Dict[str, object]] = None,
) -> Dict[str, Dict[str, str]]:
    """Fetch annotations into `<folder>/en` and `<folder>/ja`, and the videos' sound into `<folder>/<split>`.

    Args:
        folder: to be given to `prepare_castella` as both `captions_dir` and `audio_dir`.
        splits: of `SPLITS`.
        jobs, address, options: see `fetch_clips`, which also says how missing recordings are reported.

    Returns:
        Why recordings are missing, by split and name.

    Raises:
        UserError: annotations are not available, or no recording at all can be fetched.
    """
    missing = {}
    for split in splits:
        for short in LANGS:
            fetch_file(f"castella_{short}_{split}", Path(folder) / short)
        rows = _rows(Path(folder) / "en" / f"{split}.json")
        wanted = [
            VideoClip(row["yid"], row["yid"], 0.0, min(float(row["duration"]), _FIRST_SECONDS))
            for row in rows
        ]
        missing[split] = fetch_clips(
            wanted, Path(folder) / split, jobs=jobs, address=address, options=options
        )
    return missing


def prepare_castella(
    captions_dir: Union[str, Path], audio_dir: Union[str, Path], out_dir: Union[str, Path]
) -> Dict[str, DataDir]:
    """Write `castella_<split>`, with `segments`, for each split that has annotations.

    Args:
        captions_dir: folder with `en/` and `ja/`, or one of them.
        audio_dir: folder of the recordings, or of one folder for each split.
        out_dir: folder for the data directories.

    Returns:
        The sets by split.

    Raises:
        UserError: no annotations, broken ones, or none of a split's recordings has audio.
    """
    sets = {}
    for split in SPLITS:
        recordings: Dict[str, LongRecording] = {}
        for short, lang in LANGS.items():
            path = Path(captions_dir) / short / f"{split}.json"
            if path.exists():
                _add(recordings, path, lang)
        if recordings:
            folder = Path(audio_dir) / split
            note = f"{split} set of CASTELLA: moments of recordings, annotations CC BY 4.0"
            sets[split] = write_moments(
                list(recordings.values()),
                folder if folder.is_dir() else audio_dir,
                Path(out_dir) / f"castella_{split}",
                note,
            )
    if not sets:
        raise UserError(f"{captions_dir}: there is no en/<split>.json or ja/<split>.json in it.")
    return sets


def _add(recordings: Dict[str, LongRecording], path: Path, lang: str) -> None:
    for row in _rows(path):
        video = row["yid"]
        clip = f"castella_{video}"
        recording = recordings.setdefault(video, LongRecording(clip, video, [], f"youtube:{video}"))
        for number, moment in enumerate(row["moments"], 1):
            where = f"{path}: {video}: moment {number}"
            if not isinstance(moment, dict) or not {"local_caption", "timestamps"} <= {*moment}:
                raise UserError(f"{where}: must have local_caption and timestamps.")
            text = str(moment["local_caption"])
            if text.strip():
                recording.moments.append((lang, text, spans_of(moment["timestamps"], where)))


def _rows(path: Path) -> List[Dict[str, Any]]:
    rows = read_json(path)
    if not isinstance(rows, list):
        raise UserError(f"{path}: must be a list of recordings.")
    for number, row in enumerate(rows, 1):
        if not isinstance(row, dict) or not {"yid", "duration", "moments"} <= {*row}:
            raise UserError(f"{path}: recording {number}: must have yid, duration and moments.")
    return rows


class Castella(AbsCorpus):
    """For the commands: `mlclap download_corpus castella`, `mlclap prepare_corpus castella`."""

    parts = SPLITS
    caption_files = "en/<split>.json and ja/<split>.json"

    def add_download_options(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--jobs", type=int, default=2, help="recordings at a time")
        parser.add_argument(
            "--yt_dlp", type=json.loads, default={}, help="further options of yt-dlp as JSON"
        )

    def download(self, options: argparse.Namespace) -> None:
        if options.jobs < 1:
            raise UserError(f"--jobs {options.jobs}: must be 1 or more.")
        missing = download_castella(
            options.out_dir, splits=options.parts, jobs=options.jobs, options=options.yt_dlp
        )
        for split, reasons in missing.items():
            print(f"{split}: {len(reasons)} recordings are missing, see {split}/missing.tsv")

    def prepare(self, options: argparse.Namespace) -> None:
        prepare_castella(options.captions_dir, options.audio_dir, options.out_dir)
