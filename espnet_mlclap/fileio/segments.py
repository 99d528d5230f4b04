"""`segments` of a data directory: where in its recording each caption is heard.

    caption id   recording id, start and end in seconds, and further pairs if it is heard several times

With one place it is a line of a Kaldi `segments` file.
"""

from pathlib import Path
from typing import Dict, Mapping, Union

import numpy as np

from espnet_mlclap.fileio.data_dir import Caption, read_table
from espnet_mlclap.utils.errors import UserError

SEGMENTS = "segments"


def read_segments(path: Union[str, Path], captions: Mapping[str, Caption]) -> Dict[str, np.ndarray]:
    """Read `segments` of the directory `path`.

    Args:
        path: the directory.
        captions: its captions.

    Returns:
        Spans [n, 2] in seconds of the captions that have any.

    Raises:
        UserError: the file is broken, or does not fit the captions; names the line.
    """
    file = Path(path) / SEGMENTS
    spans = {}
    for number, (caption, value) in enumerate(read_table(file).items(), 1):
        where = f"{file}:{number}"
        recording, *times = value.split()
        if caption not in captions:
            raise UserError(f"{where}: the caption {caption!r} is not in {Path(path) / 'text'}.")
        if recording != captions[caption].clip:
            raise UserError(
                f"{where}: {caption!r} is of {captions[caption].clip!r} in utt2clip, and of "
                f"{recording!r} here."
            )
        try:
            row = np.array([float(time) for time in times]).reshape(-1, 2)
        except ValueError:
            row = np.empty((0, 2))
        if not len(row) or not np.isfinite(row).all() or not (row[:, 0] >= 0).all():
            row = np.empty((0, 2))
        if not len(row) or not (row[:, 0] < row[:, 1]).all():
            raise UserError(
                f"{where}: {value!r}: must be a recording and pairs of start and end in seconds, "
                f"start before end."
            )
        spans[caption] = row
    return spans


def segment_line(recording: str, spans: np.ndarray) -> str:
    """The value of a line."""
    return " ".join([recording, *(f"{time:.3f}" for time in np.ravel(spans))])
