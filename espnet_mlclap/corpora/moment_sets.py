"""What corpora of moments have in common: recordings, and captions with the places where each is heard."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, List, Sequence, Tuple, Union

import numpy as np

from espnet_mlclap.corpora.audio_index import AudioIndex
from espnet_mlclap.fileio.data_dir import Caption, DataDir, caption_id
from espnet_mlclap.fileio.segments import SEGMENTS, segment_line
from espnet_mlclap.utils.errors import UserError

_MOST_MISSING_NAMED = 5


@dataclass
class LongRecording:
    """A recording of a corpus.

    Attributes:
        clip: id.
        stem: of its file.
        moments: (language, caption, spans [n, 2] in seconds).
        source: where it is from, such as youtube:7fmOlUlwoNg.
    """

    clip: str
    stem: str
    moments: List[Tuple[str, str, np.ndarray]]
    source: str = ""


def spans_of(value: Any, where: str) -> np.ndarray:
    """Spans [n, 2] of a list of [start, end]; those that do not end after they start are left out.

    Raises:
        UserError: it is something else; starts with `where`.
    """
    try:
        rows = np.array(value, dtype=np.float64).reshape(-1, 2)
    except (TypeError, ValueError):
        rows = np.full((1, 2), np.nan)
    if not np.isfinite(rows).all() or (rows < 0).any():
        raise UserError(f"{where}: {value!r}: must be a list of pairs of start and end in seconds.")
    return rows[rows[:, 1] > rows[:, 0]]


def write_moments(
    recordings: Sequence[LongRecording],
    audio_dir: Union[str, Path],
    out_dir: Union[str, Path],
    note: str,
) -> DataDir:
    """Write a data directory with `segments` of the recordings that have audio and at least one moment.

    Raises:
        UserError: none has.
    """
    index, data, segments = AudioIndex(audio_dir), DataDir(), {}
    missing: List[str] = []
    for recording in recordings:
        path = index.find([recording.stem])
        moments = [moment for moment in recording.moments if len(moment[2])]
        if path is None:
            missing.append(recording.clip)
        if path is None or not moments:
            continue
        data.wav_scp[recording.clip] = path
        if recording.source:
            data.sources[recording.clip] = recording.source
        numbers: Dict[str, int] = {}
        for lang, text, spans in moments:
            numbers[lang] = numbers.get(lang, 0) + 1
            key = caption_id(recording.clip, lang, numbers[lang])
            data.captions[key] = Caption(" ".join(text.split()), recording.clip, lang)
            segments[key] = segment_line(recording.clip, spans)
    if not data.wav_scp:
        raise UserError(f"{audio_dir}: has none of the {len(recordings)} recordings.")
    if missing:
        named = ", ".join(missing[:_MOST_MISSING_NAMED])
        logging.warning("%s: %d recordings have no audio: %s ...", out_dir, len(missing), named)
    data.extra[SEGMENTS] = segments
    data.write(out_dir, note)
    logging.info("%s: %d recordings, %d captions", out_dir, len(data.wav_scp), len(segments))
    return data
