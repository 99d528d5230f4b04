"""The outline of a waveform, small enough to draw."""

from pathlib import Path

import numpy as np

from espnet_mlclap.fileio.audio import mono_blocks
from espnet_mlclap.search.server.schemas import Peaks


def read_peaks(path: Path, start: float, end: float, pieces: int) -> Peaks:
    """Least and greatest samples of equal pieces of a recording; memory does not grow with its length.

    Args:
        path: any audio file.
        start, end: seconds; what is beyond the recording is silence.
        pieces: how many.

    Raises:
        AudioError: it cannot be read.
    """
    low, high = np.zeros(pieces, np.float32), np.zeros(pieces, np.float32)
    done = 0
    for block in mono_blocks(path):
        first, samples = done, block.samples[:, 0]
        done += len(samples)
        if done <= start * block.rate:
            continue
        seconds = np.arange(first, done) / block.rate
        piece = np.floor((seconds - start) / (end - start) * pieces).astype(np.int64)
        inside = (piece >= 0) & (piece < pieces)
        np.minimum.at(low, piece[inside], samples[inside])
        np.maximum.at(high, piece[inside], samples[inside])
        if done >= end * block.rate:
            break
    rounded = [[round(value, 4) for value in side.tolist()] for side in (low, high)]
    return Peaks(start=start, end=end, low=rounded[0], high=rounded[1])
