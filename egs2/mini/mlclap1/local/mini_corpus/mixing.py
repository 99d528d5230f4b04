"""From a scene to the samples of a clip, and to a WAV file."""

import wave
from dataclasses import dataclass
from pathlib import Path
from typing import Mapping, Sequence, Union

import numpy as np

from mini_corpus.scenes import Event, Scene
from mini_corpus.sources import RATE, STROKES, interval, synthesize


@dataclass(frozen=True)
class Mix:
    """How scenes are turned into sound.

    Attributes:
        event_seconds: shortest and longest event.
        gap_seconds: shortest and longest silence between two groups of events.
        edge_seconds: longest silence before the first group and after the last.
        level_db: peak of an event relative to full scale, for "quiet", "plain" and "loud".
        level_jitter_db: how far an event's level strays to either side.
        floor_db: level (RMS) of the noise below everything.
        clip_seconds: shortest and longest clip.
    """

    event_seconds: tuple[float, float]
    gap_seconds: tuple[float, float]
    edge_seconds: float
    level_db: Mapping[str, float]
    level_jitter_db: float
    floor_db: float
    clip_seconds: tuple[float, float]


def _seconds_of(rng: np.random.Generator, event: Event, mix: Mix) -> float:
    """Long enough for a given number of strokes, else drawn."""
    drawn = rng.uniform(*mix.event_seconds)
    if event.count:
        return interval(event.source, event.pace) * event.count + 0.1
    if event.source in STROKES:  # at least three strokes, so that a pace can be heard
        return max(drawn, 3 * interval(event.source, event.pace) + 0.1)
    return drawn


def render(rng: np.random.Generator, scene: Scene, mix: Mix) -> np.ndarray:
    """Synthesise a scene.

    Simultaneous events share the time of the longest of them; one with a given number of strokes
    begins within the others.

    Returns:
        [samples] float64 at RATE in [-1, 1].
    """
    parts = [np.zeros(int(rng.uniform(0, mix.edge_seconds) * RATE))]
    for number, group in enumerate(scene.groups):
        if number:
            parts.append(np.zeros(int(rng.uniform(*mix.gap_seconds) * RATE)))
        lengths = [_seconds_of(rng, event, mix) for event in group]
        longest = max(lengths)
        together = np.zeros(int(round(longest * RATE)))
        for event, length in zip(group, lengths):
            seconds = length if event.count else longest
            sound = synthesize(rng, event.source, seconds, event.pace, event.count)
            level = mix.level_db[event.loudness or "plain"]
            level += rng.uniform(-mix.level_jitter_db, mix.level_jitter_db)
            start = int(rng.uniform(0, 1) * (len(together) - len(sound)))
            together[start : start + len(sound)] += 10 ** (level / 20) * sound
        parts.append(together)
    parts.append(np.zeros(int(rng.uniform(0, mix.edge_seconds) * RATE)))
    clip = np.concatenate(parts)[: int(mix.clip_seconds[1] * RATE)]
    missing = int(mix.clip_seconds[0] * RATE) - len(clip)
    clip = np.pad(clip, (0, max(0, missing)))
    clip = clip + 10 ** (mix.floor_db / 20) * rng.standard_normal(len(clip))
    return clip / max(1.0, float(np.max(np.abs(clip))))


def resample(samples: np.ndarray, rate: int) -> np.ndarray:
    """Change the rate from RATE to `rate` Hz by cutting or extending the spectrum."""
    size = int(round(len(samples) * rate / RATE))
    spectrum = np.fft.rfft(samples)
    changed = np.zeros(size // 2 + 1, dtype=complex)
    kept = min(len(changed), len(spectrum))
    changed[:kept] = spectrum[:kept]
    return np.clip(np.fft.irfft(changed, size) * (size / len(samples)), -1.0, 1.0)


def write_wav(path: Union[str, Path], channels: Sequence[np.ndarray], rate: int) -> None:
    """Write 16-bit PCM.

    Args:
        path: the file.
        channels: one array of samples in [-1, 1] a channel, equally long.
        rate: Hz.
    """
    data = np.round(np.stack(channels, axis=1) * 32767.0).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(len(channels))
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(data.tobytes())
