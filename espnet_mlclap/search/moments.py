"""Where in a recording is it? Spans of time that fit words, from the similarity of short windows."""

import os
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import List, NamedTuple, Union

import numpy as np

from espnet_mlclap.search.hits import Hit
from espnet_mlclap.search.question import Model, encode_windows
from espnet_mlclap.search.stores.abs_store import Recording, Windows
from espnet_mlclap.search.windows import WindowPlan, read_windows
from espnet_mlclap.utils.errors import UserError

_ROUNDING = 1e-6  # of similarities


class Moment(NamedTuple):
    """From `start` to `end` (s), and the mean cosine similarity between."""

    start: float
    end: float
    similarity: float


@dataclass(frozen=True)
class MomentSettings:
    """How spans are found.

    Attributes:
        window: seconds of a window.
        hop: seconds between the beginnings of windows.
        height: a moment goes on while similarity is above this share of the way from the recording's
            median up to the moment's peak.
        least: peaks lower than this share of the highest one are no moments.
    """

    window: float = 3.0
    hop: float = 0.5
    height: float = 0.5
    least: float = 0.5

    def __post_init__(self) -> None:
        if not (0 < self.hop <= self.window and 0 < self.height < 1 and 0 <= self.least <= 1):
            raise UserError(
                f"moments: window {self.window:g}, hop {self.hop:g}, height {self.height:g}, least "
                f"{self.least:g}: "
                "the hop must be above 0 and at most the window, the height between 0 and 1, least "
                "from 0 to 1."
            )


def embed_recording(
    path: Union[str, Path], model: Model, settings: MomentSettings, batch_size: int = 32
) -> Windows:
    """The windows of a recording, read as a stream.

    Raises:
        AudioError: it cannot be read.
    """
    windows = read_windows(path, WindowPlan(settings.window, settings.hop))
    spans, vectors = [], []
    while batch := list(islice(windows, batch_size)):
        spans += [(window.start, window.end) for window in batch]
        vectors.append(encode_windows(model, batch))
    return Windows(np.array(spans), np.concatenate(vectors))


def moment_hit(path: Union[str, Path], duration: float, moment: Moment) -> Hit:
    """A moment of a recording that is in no library, in the form in which hits are printed."""
    recording = Recording(0, os.path.abspath(path), 0.0, duration)
    return Hit(recording, *moment, 0, *moment[:2])


def find_moments(
    spans: np.ndarray, similarity: np.ndarray, settings: MomentSettings, top: int
) -> List[Moment]:
    """Spans of a recording in which similarity is high, the best first; they do not overlap.

    Each place has the mean similarity of the windows that cover it. From the highest place on, a moment
    goes both ways while similarity is well above the recording's median; then the next highest place
    outside is taken.

    Args:
        spans: [n, 2] start and end of the windows, by time.
        similarity: of each window with what is looked for [n].
        settings: see there.
        top: moments at most.
    """
    end = spans[-1, 1]
    edges = np.append(np.arange(0, end, settings.hop), end)
    edges = edges[np.append(True, np.diff(edges) > 1e-6)]
    middle = (edges[:-1] + edges[1:]) / 2
    covers = (spans[:, :1] <= middle) & (middle < spans[:, 1:])  # [windows, places]
    curve = similarity @ covers / covers.sum(axis=0)
    base = float(np.median(curve))
    highest = float(curve.max()) - base
    left = np.ones(len(curve), dtype=bool)
    moments: List[Moment] = []
    while left.any() and len(moments) < top:
        peak = int(np.where(left, curve, -np.inf).argmax())
        height = float(curve[peak]) - base
        if moments and height < settings.least * highest:
            break
        inside = left & (curve >= base + settings.height * height - _ROUNDING)
        first = last = peak
        while first > 0 and inside[first - 1]:
            first -= 1
        while last + 1 < len(curve) and inside[last + 1]:
            last += 1
        mean = float(curve[first : last + 1].mean())
        moments.append(Moment(float(edges[first]), float(edges[last + 1]), mean))
        left[first : last + 1] = False
    return moments
