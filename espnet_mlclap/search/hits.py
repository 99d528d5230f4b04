"""From windows to hits: windows of one event are one hit with its span; one hit for each "
"recording, or all."""

from dataclasses import dataclass
from typing import Callable, Dict, List, Sequence

from espnet_mlclap.search.stores.abs_store import Found, Recording

_WINDOWS_FIRST = 8  # windows asked for, for each hit that is wanted
_GROWTH = 4


@dataclass(frozen=True)
class Hit:
    """A place in a recording.

    Attributes:
        recording: which one.
        start, end: seconds.
        similarity: cosine, of its best window.
        window: id of the best window, by which more like it are found.
        best_start, best_end: of the best window, seconds.
    """

    recording: Recording
    start: float
    end: float
    similarity: float
    window: int
    best_start: float
    best_end: float


def merge(found: Sequence[Found], margin: float) -> List[Hit]:
    """One hit for each event: the best window, and its neighbours that are nearly as similar.

    From the best window of a recording on, neighbours that touch or overlap what is there are added while
    their similarity is at most `margin` below the best. Windows that overlap a better hit and do not
    belong to it are not hits of their own.

    Args:
        found: windows, the best first.
        margin: of cosine similarity.

    Returns:
        Hits, the best first.
    """
    of_recording: Dict[int, List[Found]] = {}
    for one in found:
        of_recording.setdefault(one.recording.id, []).append(one)
    hits = [hit for windows in of_recording.values() for hit in _events(windows, margin)]
    return sorted(hits, key=lambda hit: (-hit.similarity, hit.window))


def _events(windows: Sequence[Found], margin: float) -> List[Hit]:
    left = sorted(windows, key=lambda one: (-one.similarity, one.window))
    hits: List[Hit] = []
    while left:
        best = left[0]
        start, end = best.start, best.end
        near = sorted(
            (one for one in left[1:] if one.similarity >= best.similarity - margin),
            key=lambda one: one.start,
        )
        for one in near:  # forwards
            if start <= one.start <= end:
                end = max(end, one.end)
        for one in reversed(near):  # and backwards
            if start <= one.end <= end or one.start <= start <= one.end:
                start = min(start, one.start)
        hits.append(
            Hit(best.recording, start, end, best.similarity, best.window, best.start, best.end)
        )
        left = [one for one in left[1:] if one.end <= start or one.start >= end]
    return hits


def collect(
    search: Callable[[int], List[Found]],
    top: int,
    *,
    min_similarity: float = -1.0,
    one_per_recording: bool = False,
    margin: float = 0.05,
    keep: Callable[[Found], bool] = lambda found: True,
) -> List[Hit]:
    """The best hits.

    Args:
        search: gives so many windows, the best first; fewer if there are no more.
        top: hits wanted.
        min_similarity: of hits.
        one_per_recording: only the best hit of each recording.
        margin: see `merge`.
        keep: which windows may be hits.
    """
    wanted = top * _WINDOWS_FIRST
    while True:
        windows = search(wanted)
        enough = len(windows) < wanted or windows[-1].similarity < min_similarity
        good = [one for one in windows if one.similarity >= min_similarity and keep(one)]
        hits = merge(good, margin)
        if one_per_recording:
            best: Dict[int, Hit] = {}
            for hit in hits:
                best.setdefault(hit.recording.id, hit)
            hits = list(best.values())
        if enough or len(hits) >= top:
            return hits[:top]
        wanted *= _GROWTH
