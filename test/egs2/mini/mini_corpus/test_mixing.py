"""From scenes to clips: levels, lengths, order, resampling and files."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from mini_corpus.mixing import Mix, render, resample, write_wav
from mini_corpus.scenes import Event, Scene, sample_scene
from mini_corpus.sources import RATE

MIX = Mix(
    event_seconds=(1.3, 3.2),
    gap_seconds=(0.1, 0.4),
    edge_seconds=0.25,
    level_db={"quiet": -26, "plain": -12, "loud": -2},
    level_jitter_db=1.5,
    floor_db=-66,
    clip_seconds=(2.0, 12.0),
)


def generator(*key):
    return np.random.default_rng(list(key))


def band_energy(sound, low, high):
    power = np.abs(np.fft.rfft(sound)) ** 2
    frequency = np.fft.rfftfreq(len(sound), 1 / RATE)
    return power[(frequency >= low) & (frequency < high)].sum()


def test_clips_are_finite_in_range_and_of_the_right_length():
    for number in range(60):
        rng = generator(0, number)
        clip = render(rng, sample_scene(rng, "train", (0.3, 0.3, 0.4), 0.5), MIX)
        assert np.isfinite(clip).all()
        assert np.max(np.abs(clip)) <= 1.0
        assert 2.0 <= len(clip) / RATE <= 12.0


def test_a_loud_event_is_louder_than_a_plain_one_than_a_quiet_one():
    levels = [
        np.std(render(generator(1), Scene(((Event("rain", mark),),)), MIX))
        for mark in ("quiet", None, "loud")
    ]
    assert levels[0] < 0.4 * levels[1] < levels[1] < 0.5 * levels[2]


def test_groups_follow_each_other_and_simultaneous_events_overlap():
    cricket, thunder = Event("cricket"), Event("thunder")
    in_turn = render(generator(2), Scene(((cricket,), (thunder,))), MIX)
    first, last = in_turn[: RATE // 1], in_turn[-RATE:]
    assert band_energy(first, 2800, 3300) > 100 * band_energy(last, 2800, 3300)
    assert band_energy(last, 20, 150) > 100 * band_energy(first, 20, 150)
    at_once = render(generator(2), Scene(((cricket, thunder),)), MIX)
    assert len(at_once) < len(in_turn)
    middle = at_once[len(at_once) // 4 : -len(at_once) // 4]
    assert band_energy(middle, 2800, 3300) > 100 * band_energy(middle, 3600, 4100)
    assert band_energy(middle, 20, 150) > 10 * band_energy(middle, 400, 530)


@pytest.mark.parametrize("rate", [8000, 22050, 44100, 48000])
def test_resampling_keeps_a_tone(rate):
    seconds = 1.237
    tone = 0.5 * np.sin(2 * np.pi * 1000 * np.arange(int(seconds * RATE)) / RATE)
    changed = resample(tone, rate)
    assert len(changed) == round(len(tone) * rate / RATE)
    wanted = 0.5 * np.sin(2 * np.pi * 1000 * np.arange(len(changed)) / rate)
    inner = slice(len(changed) // 10, -len(changed) // 10)
    assert np.max(np.abs(changed[inner] - wanted[inner])) < 0.02


def test_wav_file_holds_the_channels(tmp_path: Path):
    left, right = np.linspace(-1, 1, 100), np.linspace(0.5, -0.5, 100)
    write_wav(tmp_path / "clip.wav", [left, right], 22050)
    samples, rate = soundfile.read(tmp_path / "clip.wav", always_2d=True)
    assert rate == 22050
    assert np.max(np.abs(samples - np.stack([left, right], 1))) < 1e-4
