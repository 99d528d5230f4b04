"""Long test recordings from a corpus of clips: clips one after the other, some overlapping, in noise.

What is heard when is known, so that finding moments can be measured in every language of the captions.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Dict, List, Mapping, Sequence, Tuple, Union

import numpy as np

from espnet_mlclap.fileio.audio import load_samples
from espnet_mlclap.fileio.data_dir import Caption, DataDir, caption_id
from espnet_mlclap.fileio.segments import SEGMENTS, segment_line
from espnet_mlclap.utils.atomic import make_dir
from espnet_mlclap.utils.errors import UserError
from espnet_mlclap.utils.progress import progress

_SILENCE = 1e-3  # of a clip's peak (-60 dB): what is quieter at its ends is cut off
_LEVEL = 0.1  # root mean square of a clip
_TRIES = 200  # draws of a clip that has nothing in common with those of the recording


@dataclass(frozen=True)
class LongSettings:
    """What is made.

    Attributes:
        recordings: how many.
        clips: in each, at least and at most.
        gap: seconds between clips, at most.
        overlap: share of clips that begin before the one before has ended.
        noise_db: level of the noise beside that of a clip.
        rate: Hz.
        seed: of all draws.
    """

    recordings: int = 30
    clips: Tuple[int, int] = (6, 10)
    gap: float = 4.0
    overlap: float = 0.25
    noise_db: float = -30.0
    rate: int = 44_100
    seed: int = 0


def make_long_recordings(
    data: DataDir, out_dir: Union[str, Path], settings: LongSettings
) -> DataDir:
    """Write recordings (FLAC) and their data directory.

    Clips with a caption or a label in common do not come into the same recording: words for the one would fit
    the other too. Of each clip one caption per language is asked for.

    Args:
        data: clips, with captions.
        out_dir: gets `audio/` and `data/`, the tables with `segments`.
        settings: see there.

    Returns:
        The directory that was written.

    Raises:
        UserError: too few clips.
        AudioError: a clip cannot be read.
    """
    import soundfile

    if not 1 <= settings.clips[0] <= settings.clips[1] <= len(data.wav_scp):
        raise UserError(
            f"--clips {settings.clips[0]} {settings.clips[1]}: must be from 1 to the "
            f"{len(data.wav_scp)} clips that "
            "there are."
        )
    folder = make_dir(Path(out_dir) / "audio")
    about = _about(data)
    made, segments = DataDir(), {}
    for number in progress(
        range(1, settings.recordings + 1), "making recordings", unit="recordings"
    ):
        generator = np.random.default_rng([settings.seed, number])
        name = f"long{number:04}"
        clips = _choose(about, int(generator.integers(*settings.clips, endpoint=True)), generator)
        samples, spans = _mix([data.wav_scp[clip] for clip in clips], settings, generator)
        soundfile.write(folder / f"{name}.flac", samples, settings.rate)
        made.wav_scp[name] = str((folder / f"{name}.flac").absolute())
        made.durations[name] = len(samples) / settings.rate
        heard: Dict[str, int] = {}
        for clip, span in zip(clips, spans):
            for lang, texts in sorted(about[clip].texts.items()):
                heard[lang] = heard.get(lang, 0) + 1
                key = caption_id(name, lang, heard[lang])
                text = texts[int(generator.integers(len(texts)))]
                made.captions[key] = Caption(text, name, lang)
                segments[key] = segment_line(name, np.array([span]))
    made.extra[SEGMENTS] = segments
    note = f"Long recordings for finding moments, made from clips by {settings}."
    made.write(Path(out_dir) / "data", note)
    return made


@dataclass(frozen=True)
class _Clip:
    texts: Mapping[str, List[str]]  # by language
    marks: frozenset  # captions and label: what it may have in common with another


def _about(data: DataDir) -> Dict[str, _Clip]:
    texts: Dict[str, Dict[str, List[str]]] = {clip: {} for clip in sorted(data.wav_scp)}
    for _, caption in sorted(data.captions.items()):
        texts[caption.clip].setdefault(caption.lang, []).append(caption.text)
    about = {}
    for clip, by_lang in texts.items():
        words = {text for same in by_lang.values() for text in same} | {data.labels.get(clip, clip)}
        about[clip] = _Clip(by_lang, frozenset(words))
    return about


def _choose(about: Mapping[str, _Clip], count: int, generator: np.random.Generator) -> List[str]:
    names, chosen, marks = list(about), [], set()
    for _ in range(_TRIES):
        clip = names[int(generator.integers(len(names)))]
        if not marks & about[clip].marks:
            chosen.append(clip)
            marks |= about[clip].marks
        if len(chosen) == count:
            break
    return chosen


def _mix(
    locations: Sequence[str], settings: LongSettings, generator: np.random.Generator
) -> Tuple[np.ndarray, List[Tuple[float, float]]]:
    """Samples [n] in [-1, 1], and (start, end) in seconds of each clip."""
    placed: List[Tuple[int, np.ndarray]] = []
    position = generator.uniform(0, settings.gap)
    for location in locations:
        samples = _without_silence(load_samples(location, settings.rate))
        samples = samples * (
            _LEVEL * generator.uniform(0.5, 1) / max(np.sqrt((samples**2).mean()), 1e-9)
        )
        placed.append((round(position * settings.rate), samples))
        seconds = len(samples) / settings.rate
        if generator.uniform() < settings.overlap:
            position += seconds * generator.uniform(0.5, 0.9)
        else:
            position += seconds + generator.uniform(0, settings.gap)
    length = max(first + len(samples) for first, samples in placed)
    length += round(generator.uniform(0, settings.gap) * settings.rate)
    mixed = _LEVEL * 10 ** (settings.noise_db / 20) * generator.standard_normal(length)
    for first, samples in placed:
        mixed[first : first + len(samples)] += samples
    spans = [
        (first / settings.rate, (first + len(samples)) / settings.rate) for first, samples in placed
    ]
    return mixed / max(1.0, np.abs(mixed).max()), spans


def _without_silence(samples: np.ndarray) -> np.ndarray:
    loud = np.flatnonzero(np.abs(samples) > _SILENCE * np.abs(samples).max())
    return samples[loud[0] : loud[-1] + 1] if len(loud) else samples
