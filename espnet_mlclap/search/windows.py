"""Windows of a recording, read as a stream: a recording of hours needs no more memory than one of seconds."""

from dataclasses import dataclass
from pathlib import Path
from typing import Iterator, List, NamedTuple, Union

import numpy as np

from espnet_mlclap.fileio.audio import AudioError, mono_blocks, read_audio
from espnet_mlclap.utils.errors import UserError
from espnet_mlclap.utils.shown import shown


class Window(NamedTuple):
    """A piece of a recording: from `start` to `end` (s), as mono samples [n] at `rate` Hz."""

    start: float
    end: float
    samples: np.ndarray
    rate: int


@dataclass(frozen=True)
class WindowPlan:
    """How recordings are cut.

    Windows of `window` seconds begin every `hop` seconds. The last one ends with the recording and is
    therefore shorter, but longer than `window - hop`. A recording that is not longer than a window is one
    window.

    Attributes:
        window: seconds; 0: the whole recording is one window, however long.
        hop: seconds, at most `window`.
    """

    window: float = 10.0
    hop: float = 5.0

    def __post_init__(self) -> None:
        if self.window < 0 or (self.window and not 0 < self.hop <= self.window):
            raise UserError(
                f"--window {self.window:g} --hop {self.hop:g}: a window is 0 (whole recordings) or "
                f"more seconds, "
                "and the hop more than 0 and at most the window."
            )

    def spans(self, duration: float) -> List[tuple]:
        """(start, end) in seconds of the windows of a recording of `duration` seconds."""
        if not self.window:
            return [(0.0, duration)]
        spans, number = [], 0
        while not spans or spans[-1][1] < duration:
            start = number * self.hop
            spans.append((start, min(start + self.window, duration)))
            number += 1
        return spans

    def __str__(self) -> str:
        return f"{self.window:g} s every {self.hop:g} s" if self.window else "whole recordings"


def read_windows(path: Union[str, Path], plan: WindowPlan, first: int = 0) -> Iterator[Window]:
    """Read the windows of a recording one after the other.

    Args:
        path: any audio file.
        plan: how it is cut.
        first: windows that are left out at the beginning.

    Raises:
        AudioError: it cannot be read, perhaps only from some place on.
    """
    if not plan.window:
        waveform = read_audio(path)
        mono = waveform.samples.mean(axis=1, dtype=np.float32)
        yield Window(0.0, len(mono) / waveform.rate, mono, waveform.rate)
        return
    held, begin, number = np.empty(0, np.float32), 0, first  # samples from `begin` on
    rate = size = 0
    for block in mono_blocks(path):
        rate, size = block.rate, round(plan.window * block.rate)
        held = np.concatenate([held, block.samples[:, 0]])
        while len(held) > (start := round(number * plan.hop * rate) - begin) + size:
            yield _window(held, begin, start, start + size, rate)
            number += 1
        drop = min(max(round(number * plan.hop * rate) - begin, 0), len(held))
        held, begin = held[drop:], begin + drop
    start = max(round(number * plan.hop * rate) - begin, 0)
    if start < len(held):
        yield _window(held, begin, start, len(held), rate)


def read_span(path: Union[str, Path], start: float, end: float) -> Window:
    """A part of a recording, from `start` to `end` (s); what is before it is read, but not held.

    Raises:
        AudioError: it cannot be read, or ends before `start`.
    """
    parts, begin, rate = [], 0, 1
    for block in mono_blocks(path):
        rate = block.rate
        first, last = round(start * rate) - begin, round(end * rate) - begin
        if last <= 0:
            break
        parts.append(block.samples[max(first, 0) : last, 0])
        begin += len(block.samples)
    samples = np.concatenate(parts)
    if not len(samples):
        raise AudioError(f"{shown(path)}: there is nothing from {start:g} s on.")
    return Window(start, start + len(samples) / rate, samples, rate)


def _window(held: np.ndarray, begin: int, start: int, end: int, rate: int) -> Window:
    return Window((begin + start) / rate, (begin + end) / rate, held[start:end].copy(), rate)
