"""Sounds: finite, within range, and told from each other by a log-mel picture."""

import numpy as np
import pytest

from mini_corpus.scenes import MARKS, SOURCES
from mini_corpus.sources import RATE, STROKES, interval, synthesize


def generator(*key):
    return np.random.default_rng(list(key))


def log_bands(sound, bands=64):
    """[bands + 16] level of each band (dB), and how its loudness changes: a plain stand-in for mel."""
    frames = np.lib.stride_tricks.sliding_window_view(sound, 512)[::160] * np.hanning(512)
    power = np.abs(np.fft.rfft(frames)) ** 2
    edges = np.unique(np.round(np.geomspace(2, 257, bands + 1)).astype(int))
    level = np.stack([power[:, a:b].sum(1) for a, b in zip(edges, edges[1:])], axis=1)
    spectrum = 10 * np.log10(level.mean(0) + 1e-6)
    loudness = power.sum(1)
    rhythm = np.abs(np.fft.rfft(loudness / loudness.mean() - 1, 256))[:16]
    return np.concatenate([spectrum - spectrum.max(), 2 * rhythm / len(loudness) * 16])


def test_sources_and_scenes_name_the_same_kinds():
    for source in SOURCES:
        sound = synthesize(generator(0), source, 1.5)
        assert sound.shape == (int(1.5 * RATE),)
    repeating = {source for source, marks in MARKS.items() if marks}
    assert repeating == set(STROKES) | {"engine"}


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("seconds", [0.7, 3.3])
def test_sound_is_finite_and_in_range(source, seconds):
    sound = synthesize(generator(1), source, seconds)
    assert np.isfinite(sound).all()
    assert np.max(np.abs(sound)) == pytest.approx(1.0)
    assert np.sqrt(np.mean(sound**2)) > 0.005  # there is something to hear


@pytest.mark.parametrize("source", SOURCES)
def test_half_of_the_energy_survives_telephone_bandwidth(source):
    power = np.abs(np.fft.rfft(synthesize(generator(2), source, 2.0))) ** 2
    share = power[: int(4000 * 2.0)].sum() / power.sum()
    assert share > 0.3


def test_sources_are_told_apart_by_the_nearest_mean():
    # six examples of each to learn from, six to tell: a very simple classifier must do it
    examples = {
        source: [log_bands(synthesize(generator(3, i, n), source, 2.5)) for i in range(12)]
        for n, source in enumerate(SOURCES)
    }
    means = np.stack([np.mean(examples[source][:6], axis=0) for source in SOURCES])
    right = [
        np.argmin(np.square(means - one).sum(1)) == n
        for n, source in enumerate(SOURCES)
        for one in examples[source][6:]
    ]
    assert np.mean(right) >= 0.95


@pytest.mark.parametrize("source", [source for source, marks in MARKS.items() if "count" in marks])
@pytest.mark.parametrize("count", [2, 3])
def test_count_is_heard(source, count):
    seconds = interval(source, None) * count + 0.1
    sound = synthesize(generator(4), source, seconds, count=count)
    smooth = np.sqrt(np.convolve(sound**2, np.ones(320) / 320, mode="same"))
    # an onset: the loudness rises past a quarter of its peak after it fell well below
    loud, onsets = False, 0
    for level in smooth / smooth.max():
        if not loud and level > 0.5:
            loud, onsets = True, onsets + 1
        elif level < 0.3:
            loud = False
    assert onsets == count


def test_pace_changes_the_time_between_strokes():
    for source, marks in MARKS.items():
        if "pace" in marks and source != "engine":
            assert interval(source, "fast") < interval(source, None) < interval(source, "slow")


def test_engine_runs_faster_at_a_higher_pitch():
    centres = []
    for pace in ("slow", None, "fast"):
        power = np.abs(np.fft.rfft(synthesize(generator(5), "engine", 2.0, pace=pace))) ** 2
        power = power[:400]  # below 200 Hz
        centres.append(np.argmax(power) / 2.0)
    assert centres[0] < centres[1] < centres[2]


def test_same_generator_same_sound():
    for source in SOURCES:
        a = synthesize(generator(6), source, 1.0)
        b = synthesize(generator(6), source, 1.0)
        assert np.array_equal(a, b)
        assert not np.array_equal(a, synthesize(generator(7), source, 1.0))
