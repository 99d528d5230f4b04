"""Sixteen kinds of sound, synthesised with numpy.

Every function makes `samples` samples at RATE with the given generator. Strokes and calls that
repeat take the times of their beginnings (seconds), as `stroke_times` draws them from an event's
pace and count. Each kind keeps its energy below 4 kHz, so that it survives telephone bandwidth,
and is told from the others by its spectrum and its rhythm.
"""

from typing import Callable, Mapping, Optional

import numpy as np

RATE = 16000  # Hz

Continuous = Callable[[np.random.Generator, int], np.ndarray]
Stroke = Callable[[np.random.Generator], np.ndarray]


def _seconds(samples: int) -> np.ndarray:
    return np.arange(samples) / RATE


def _tone(frequency: np.ndarray) -> np.ndarray:
    """Sine of a frequency that changes from sample to sample (Hz)."""
    return np.sin(2 * np.pi * np.cumsum(frequency) / RATE)


def _noise(
    rng: np.random.Generator, samples: int, low: float, high: float, slope: float = 0.0
) -> np.ndarray:
    """Noise between two frequencies (Hz) with soft edges, falling by `slope` dB an octave."""
    size = -(-samples // 512) * 512  # a size whose Fourier transform is fast
    frequency = np.fft.rfftfreq(size, 1 / RATE)
    shape = 1 / (1 + np.exp(-(frequency - low) / (0.05 * low + 10)))
    shape /= 1 + np.exp((frequency - high) / (0.05 * high + 10))
    shape *= (np.maximum(frequency, low) / low) ** (-slope / 6.02)
    noise = np.fft.irfft(np.fft.rfft(rng.standard_normal(size)) * shape, size)[:samples]
    return noise / np.sqrt(np.mean(noise**2) + 1e-12)


def _slow_curve(rng: np.random.Generator, samples: int, period: float) -> np.ndarray:
    """A smooth random curve in [0, 1] that turns about every `period` seconds."""
    knots = max(2, int(np.ceil(samples / RATE / period)) + 2)
    place = np.linspace(0, knots - 1, samples)
    left = np.minimum(place.astype(int), knots - 2)
    weight = (1 - np.cos(np.pi * (place - left))) / 2
    heights = rng.random(knots)
    return heights[left] * (1 - weight) + heights[left + 1] * weight


def _decay(samples: int, time: float, attack: float = 0.003) -> np.ndarray:
    """A stroke's envelope: up in `attack` seconds, down by 60 dB in `time` seconds."""
    seconds = _seconds(samples)
    return np.minimum(seconds / attack, 1.0) * 10 ** (-3 * seconds / time)


def _pulse(samples: int, edge: float = 0.01) -> np.ndarray:
    """An envelope that is on for the whole length, with soft edges of `edge` seconds."""
    seconds = _seconds(samples)
    return np.clip(np.minimum(seconds, seconds[::-1]) / edge, 0, 1)


# Continuous sounds


def rain(rng: np.random.Generator, samples: int) -> np.ndarray:
    """Steady hiss with the ticks of single drops."""
    hiss = _noise(rng, samples, 900, 7500)
    ticks = np.zeros(samples)
    for start in rng.integers(0, samples, size=samples // 400):
        tick = rng.standard_normal(24) * np.exp(-np.arange(24) / 6)
        ticks[start : start + 24] += tick[: samples - start]
    return hiss + 0.8 * ticks


def wind(rng: np.random.Generator, samples: int) -> np.ndarray:
    """Gusts: low noise and a howling band, swelling slowly."""
    gust = _slow_curve(rng, samples, 0.8)
    low = _noise(rng, samples, 60, 500, slope=3)
    howl = _noise(rng, samples, 450, 700)
    return (0.25 + gust) * low + 0.8 * gust**2 * howl


def thunder(rng: np.random.Generator, samples: int) -> np.ndarray:
    """A crack that rolls on as a very low rumble."""
    rumble = _noise(rng, samples, 25, 130, slope=4) * (0.3 + _slow_curve(rng, samples, 0.25))
    crack = _noise(rng, samples, 100, 1800, slope=3) * _decay(samples, 1.2, attack=0.02)
    return rumble * _decay(samples, max(3.0, 2.0 * samples / RATE), attack=0.1) + 0.9 * crack


def siren(rng: np.random.Generator, samples: int) -> np.ndarray:
    """A tone that wails between about 600 and 1400 Hz."""
    cycle = rng.uniform(0.9, 1.3)
    phase = rng.random()
    swing = np.sin(2 * np.pi * (_seconds(samples) / cycle + phase))
    frequency = rng.uniform(0.95, 1.05) * (1000 + 400 * swing)
    return _tone(frequency) + 0.35 * _tone(2 * frequency)


def applause(rng: np.random.Generator, samples: int) -> np.ndarray:
    """Many hands: overlapping short claps around 1 to 2.5 kHz."""
    sound = np.zeros(samples)
    for start in rng.integers(0, samples, size=int(45 * samples / RATE)):
        clap = _noise(rng, 320, 900, 2600) * _decay(320, 0.02, attack=0.0005)
        sound[start : start + 320] += rng.uniform(0.3, 1.0) * clap[: samples - start]
    return sound


def bird(rng: np.random.Generator, samples: int) -> np.ndarray:
    """Phrases of rising and falling whistles between 2 and 3.8 kHz."""
    sound = np.zeros(samples)
    start = int(rng.uniform(0.0, 0.1) * RATE)
    while start < samples:
        length = int(rng.uniform(0.08, 0.16) * RATE)
        sweep = np.linspace(*sorted(rng.uniform(2000, 3800, size=2)), length)
        chirp = _tone(sweep[:: rng.choice((-1, 1))]) * np.hanning(length)
        sound[start : start + length] += chirp[: samples - start]
        start += length + int(rng.uniform(0.03, 0.2) * RATE)
    return sound


def cricket(rng: np.random.Generator, samples: int) -> np.ndarray:
    """A steady 3 kHz tone in trills of fast pulses."""
    seconds = _seconds(samples)
    pitch = rng.uniform(2900, 3150)
    pulses = np.maximum(0, np.sin(2 * np.pi * 32 * seconds)) ** 2
    trill = ((seconds * 2.2 + rng.random()) % 1.0) < 0.65
    return np.sin(2 * np.pi * pitch * seconds) * pulses * trill


def engine(rng: np.random.Generator, samples: int, pace: Optional[str] = None) -> np.ndarray:
    """Harmonics of the firing rate, which is higher when the engine runs fast."""
    firing = {None: 55.0, "slow": 26.0, "fast": 110.0}[pace] * rng.uniform(0.92, 1.08)
    frequency = firing * (1 + 0.03 * (_slow_curve(rng, samples, 0.6) - 0.5))
    phase = np.cumsum(frequency) / RATE
    harmonics = np.arange(1, int(900 / firing))
    weights = rng.uniform(0.5, 1.0, size=len(harmonics)) / harmonics**0.6
    sound = sum(
        weight * np.sin(2 * np.pi * number * phase + number**2)
        for number, weight in zip(harmonics, weights)
    )
    return sound + 0.1 * _noise(rng, samples, 200, 1500, slope=3)


# Strokes: one sound that is repeated


def bell(rng: np.random.Generator) -> np.ndarray:
    """Inharmonic partials that ring on for a second."""
    samples = int(1.1 * RATE)
    pitch = rng.uniform(480, 560)
    partials = ((0.5, 0.5, 1.6), (1.0, 1.0, 1.4), (1.19, 0.7, 1.1), (2.0, 0.8, 0.9), (2.74, 0.6, 0.6),
                (4.1, 0.35, 0.4))  # fmt: skip
    seconds = _seconds(samples)
    return sum(
        weight * np.sin(2 * np.pi * pitch * ratio * seconds) * _decay(samples, time)
        for ratio, weight, time in partials
    )


def bark(rng: np.random.Generator) -> np.ndarray:
    """A harsh voice that falls in pitch, through two formants."""
    samples = int(rng.uniform(0.16, 0.22) * RATE)
    pitch = np.linspace(rng.uniform(420, 480), rng.uniform(240, 280), samples)
    voice = sum(_tone(number * pitch) / number**0.3 for number in range(1, 7))
    rough = 0.5 * _noise(rng, samples, 500, 1800)
    return (voice + rough) * np.hanning(samples) ** 0.7


def tick(rng: np.random.Generator) -> np.ndarray:
    """A click of a clock's escapement."""
    samples = int(0.03 * RATE)
    seconds = _seconds(samples)
    ring = np.sin(2 * np.pi * 2500 * seconds) + 0.7 * np.sin(2 * np.pi * 3600 * seconds)
    return (ring + 0.3 * rng.standard_normal(samples)) * _decay(samples, 0.025, attack=0.0003)


def step(rng: np.random.Generator) -> np.ndarray:
    """A heel that thumps and a sole that scrapes."""
    samples = int(0.18 * RATE)
    thump = np.sin(2 * np.pi * rng.uniform(85, 105) * _seconds(samples)) * _decay(samples, 0.15)
    scrape = _noise(rng, samples, 1500, 4000) * np.hanning(samples)
    return 1.6 * thump + 0.22 * scrape


def beep(rng: np.random.Generator) -> np.ndarray:
    """A pure tone of 1.8 kHz with its octave."""
    samples = int(0.15 * RATE)
    seconds = _seconds(samples)
    pitch = rng.uniform(1780, 1820)
    tone = np.sin(2 * np.pi * pitch * seconds) + 0.3 * np.sin(4 * np.pi * pitch * seconds)
    return tone * _pulse(samples)


def drop(rng: np.random.Generator) -> np.ndarray:
    """A bubble: a short tone that rises quickly."""
    samples = int(0.09 * RATE)
    start = rng.uniform(600, 900)
    sweep = start * np.exp(np.linspace(0, 0.9, samples))
    return _tone(sweep) * _decay(samples, 0.09)


def knock(rng: np.random.Generator) -> np.ndarray:
    """A knuckle on wood: short and dull, with two low resonances."""
    samples = int(0.08 * RATE)
    seconds = _seconds(samples)
    wood = np.sin(2 * np.pi * 210 * seconds) + 0.9 * np.sin(2 * np.pi * 430 * seconds)
    return (wood + 0.4 * _noise(rng, samples, 300, 1200)) * _decay(samples, 0.06, attack=0.001)


def honk(rng: np.random.Generator) -> np.ndarray:
    """Two reeds a third apart, rich in harmonics."""
    samples = int(rng.uniform(0.4, 0.5) * RATE)
    seconds = _seconds(samples)
    pitch = rng.uniform(340, 370)
    reeds = sum(
        np.sin(2 * np.pi * number * reed * seconds) / number**0.5
        for reed in (pitch, 1.26 * pitch)
        for number in range(1, 8)
    )
    return reeds * _pulse(samples, edge=0.02)


CONTINUOUS: Mapping[str, Continuous] = {
    "rain": rain,
    "wind": wind,
    "thunder": thunder,
    "siren": siren,
    "applause": applause,
    "bird": bird,
    "cricket": cricket,
}
# The stroke of each repeating source, and the time from one to the next (s) at the usual pace.
STROKES: Mapping[str, tuple[Stroke, float]] = {
    "bell": (bell, 0.7),
    "dog": (bark, 0.5),
    "clock": (tick, 0.4),
    "footsteps": (step, 0.5),
    "beep": (beep, 0.4),
    "drops": (drop, 0.35),
    "knock": (knock, 0.3),
    "horn": (honk, 0.75),
}
PACE_FACTORS = {None: 1.0, "slow": 1.9, "fast": 0.48}


def interval(source: str, pace: Optional[str]) -> float:
    """Seconds from one stroke of a repeating source to the next."""
    return STROKES[source][1] * PACE_FACTORS[pace]


def synthesize(
    rng: np.random.Generator,
    source: str,
    seconds: float,
    pace: Optional[str] = None,
    count: Optional[int] = None,
) -> np.ndarray:
    """One event.

    Args:
        source: a key of CONTINUOUS or STROKES, or "engine".
        seconds: how long it lasts; strokes go on for that long unless `count` is given.
        pace: "slow", "fast" or None, for strokes and engines.
        count: number of strokes.

    Returns:
        [samples] float64 at RATE, peak 1.
    """
    samples = int(round(seconds * RATE))
    if source in CONTINUOUS:
        sound = CONTINUOUS[source](rng, samples)
    elif source == "engine":
        sound = engine(rng, samples, pace)
    else:
        sound = np.zeros(samples)
        stroke, step_time = STROKES[source][0], interval(source, pace)
        number = count or max(2, int(seconds / step_time))
        for index in range(number):
            start = int((index + rng.uniform(0.0, 0.06)) * step_time * RATE)
            one = stroke(rng)[: max(0, samples - start)]
            sound[start : start + len(one)] += rng.uniform(0.85, 1.0) * one
    sound = sound * _pulse(samples)
    return sound / np.max(np.abs(sound))
