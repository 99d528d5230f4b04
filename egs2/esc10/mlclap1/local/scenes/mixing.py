"""From a scene to samples: parts of recordings, one after the other or at the same time."""

from dataclasses import dataclass
from typing import List, Tuple

import numpy as np

_STEP = 0.1  # seconds between the places where a part may begin
_FADE = 0.02  # seconds
_LOUDEST = 0.99  # of full scale


@dataclass(frozen=True)
class Mix:
    """How recordings become a scene; what the numbers are is said in conf/scenes.yaml.

    Attributes:
        sampling_rate: Hz.
        sound_seconds: shortest and longest part of a recording.
        overlap_seconds: of two groups, at most.
        peak_db, background_db, level_jitter_db, quiet_db: dB.
    """

    sampling_rate: int
    sound_seconds: Tuple[float, float]
    overlap_seconds: float
    peak_db: float
    background_db: float
    level_jitter_db: float
    quiet_db: float


def mix_scene(
    rng: np.random.Generator,
    groups: List[List[Tuple[np.ndarray, bool]]],
    mix: Mix,
) -> np.ndarray:
    """Mix a scene.

    Args:
        groups: recordings [samples] float32 with whether each is in the background, group after group.
        mix: the numbers.

    Returns:
        [samples] float32 in [-1, 1].
    """
    scene = np.zeros(0, dtype=np.float32)
    for group in groups:
        samples = round(rng.uniform(*mix.sound_seconds) * mix.sampling_rate)
        together = np.zeros(samples, dtype=np.float32)
        for recording, behind in group:
            level = mix.peak_db + rng.uniform(-mix.level_jitter_db, mix.level_jitter_db)
            if behind:
                level += mix.background_db
            sound = take_part(rng, recording, samples, mix)
            together[: len(sound)] += 10 ** (level / 20) * sound
        overlap = round(rng.uniform(0, mix.overlap_seconds) * mix.sampling_rate)
        overlap = min(overlap, len(scene), samples)
        joined = np.zeros(len(scene) + samples - overlap, dtype=np.float32)
        joined[: len(scene)] = scene
        joined[len(joined) - samples :] += together
        scene = joined
    return scene * min(1.0, _LOUDEST / np.abs(scene).max().clip(min=1e-6))


def take_part(
    rng: np.random.Generator, recording: np.ndarray, samples: int, mix: Mix
) -> np.ndarray:
    """A part of a recording at a peak of 1, with soft edges.

    Drawn among those parts that are not much quieter than the loudest: many recordings are silent for the
    larger part. A recording that is shorter is taken as a whole.
    """
    step = round(_STEP * mix.sampling_rate)
    starts = np.arange(0, max(1, len(recording) - samples + 1), step)
    power = np.concatenate([[0.0], np.cumsum(recording.astype(np.float64) ** 2)])
    energy = power[np.minimum(starts + samples, len(recording))] - power[starts]
    loud = starts[energy >= energy.max() * 10 ** (-mix.quiet_db / 10)]
    start = loud[rng.integers(len(loud))]
    part = recording[start : start + samples].astype(np.float32)
    part /= np.abs(part).max().clip(min=1e-6)
    fade = min(round(_FADE * mix.sampling_rate), len(part) // 2)
    edge = np.linspace(0, 1, fade, endpoint=False, dtype=np.float32)
    part[:fade] *= edge
    part[len(part) - fade :] *= edge[::-1]
    return part
