"""Clotho-Moment (Munakata et al., ICASSP 2025): clips of Clotho at known places in minutes of city and
nature sounds.

The lists are the authors' (`clotho_moment_<split>_release.jsonl`: qid, query, vid, duration,
relevant_windows in seconds). The recordings, `<vid>.wav`, are in archives on Zenodo (record 13836117), to
be fetched by hand: they are large, and their licences are those of Clotho's clips and of the videos behind
    them.
"""

import argparse
import logging
from pathlib import Path
from typing import Dict, Sequence, Union

from espnet_mlclap.corpora.abs_corpus import AbsCorpus
from espnet_mlclap.corpora.clip_ids import clip_ids
from espnet_mlclap.corpora.fetch import fetch_file
from espnet_mlclap.corpora.moment_sets import LongRecording, spans_of, write_moments
from espnet_mlclap.fileio.data_dir import DataDir
from espnet_mlclap.utils.errors import UserError
from espnet_mlclap.utils.reading import parse_json, read_text

SPLITS = ("val", "test")
_LIST = "clotho_moment_{split}_release.jsonl"


def download_clotho_moment(folder: Union[str, Path], *, splits: Sequence[str] = SPLITS) -> None:
    """Fetch the lists into `folder`, and say where the recordings are.

    Raises:
        UserError: no network, or damaged files (see `download`).
    """
    for split in splits:
        fetch_file(f"clotho_moment_{split}", folder)
    logging.info("the recordings are on Zenodo, record 13836117: unpack them in %s", folder)


def prepare_clotho_moment(
    captions_dir: Union[str, Path], audio_dir: Union[str, Path], out_dir: Union[str, Path]
) -> Dict[str, DataDir]:
    """Write `clotho_moment_<split>`, with `segments`, for each split that has a list.

    Returns:
        The sets by split.

    Raises:
        UserError: no list, a broken one, or none of a split's recordings has audio.
    """
    sets = {}
    for split in SPLITS:
        path = Path(captions_dir) / _LIST.format(split=split)
        if path.exists():
            note = f"{split} set of Clotho-Moment: clips of Clotho in longer recordings"
            out = Path(out_dir) / f"clotho_moment_{split}"
            sets[split] = write_moments(_recordings(path), audio_dir, out, note)
    if not sets:
        raise UserError(f"{captions_dir}: there is no {_LIST.format(split='<split>')} in it.")
    return sets


def _recordings(path: Path) -> Sequence[LongRecording]:
    rows = []
    for number, line in enumerate(read_text(path).splitlines(), 1):
        where = f"{path}:{number}"
        try:
            row = parse_json(line)
        except ValueError as error:
            raise UserError(f"{where}: not JSON ({error}).") from error
        if not isinstance(row, dict) or not {"query", "vid", "relevant_windows"} <= {*row}:
            raise UserError(f"{where}: must have query, vid and relevant_windows.")
        rows.append((where, row))
    ids = clip_ids(dict.fromkeys(f"{row['vid']}.wav" for _, row in rows), "clotho_moment_")
    recordings: Dict[str, LongRecording] = {}
    for where, row in rows:
        name = str(row["vid"])
        recording = recordings.setdefault(name, LongRecording(ids[f"{name}.wav"], name, []))
        spans = spans_of(row["relevant_windows"], where)
        recording.moments.append(("eng_Latn", str(row["query"]), spans))
    return list(recordings.values())


class ClothoMoment(AbsCorpus):
    """For the commands: `mlclap download_corpus clotho_moment`, `mlclap prepare_corpus clotho_moment`."""

    parts = SPLITS
    caption_files = "clotho_moment_<split>_release.jsonl"

    def download(self, options: argparse.Namespace) -> None:
        download_clotho_moment(options.out_dir, splits=options.parts)

    def prepare(self, options: argparse.Namespace) -> None:
        prepare_clotho_moment(options.captions_dir, options.audio_dir, options.out_dir)
