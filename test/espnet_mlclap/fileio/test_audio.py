"""Reading audio: formats of libsndfile and of ffmpeg, archives, and what is no audio."""

import shutil
import subprocess

import kaldiio
import numpy as np
import pytest
import soundfile

from espnet_mlclap.fileio.audio import (
    AudioError,
    Waveform,
    load_clip,
    load_samples,
    read_audio,
    to_mono,
)


def tone(seconds=0.5, rate=16000):
    return (0.5 * np.sin(2 * np.pi * 440 * np.arange(round(seconds * rate)) / rate)).astype(
        np.float32
    )


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3"])
@pytest.mark.parametrize("channels", [1, 2])
def test_formats_of_libsndfile(tmp_path, suffix, channels):
    path = tmp_path / f"a file é.{suffix}"
    soundfile.write(path, np.stack([tone(rate=22050)] * channels, axis=1), 22050)
    samples, rate = read_audio(path)
    assert rate == 22050
    assert samples.dtype == np.float32
    assert samples.shape[1] == channels
    assert 0.4 < np.abs(samples).max() < 0.6


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg"])
def test_what_libsndfile_reads_needs_no_ffmpeg(tmp_path, monkeypatch, suffix):
    """Whose processes take a hundred times as long."""
    soundfile.write(tmp_path / f"x.{suffix}", np.zeros(40000), 16000)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert len(read_audio(tmp_path / f"x.{suffix}").samples) == 40000


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")
def test_other_formats_go_through_ffmpeg(tmp_path):
    soundfile.write(tmp_path / "x.wav", tone(), 16000)
    for name in ("x.m4a", "x.webm"):
        subprocess.run(
            ["ffmpeg", "-v", "error", "-i", tmp_path / "x.wav", tmp_path / name], check=True
        )
        samples, rate = read_audio(tmp_path / name)
        mono = to_mono(Waveform(samples, rate))
        assert abs(len(mono) - 8000) < 2500
        assert 0.4 < np.abs(mono[2000:6000]).max() < 0.6


def test_mono_is_the_mean_of_the_channels_at_16_khz():
    samples = np.stack([tone(1.0, 48000), np.zeros(48000, np.float32)], axis=1)
    mono = to_mono(Waveform(samples, 48000))
    assert mono.shape == (16000,)
    assert mono.dtype == np.float32
    np.testing.assert_allclose(mono[500:-500], 0.5 * tone(1.0)[500:-500], atol=1e-3)


@pytest.mark.parametrize("samples", [tone(10.0), np.random.default_rng(0).normal(0, 0.1, 160_000)])
def test_a_flac_file_that_was_cut_off(tmp_path, samples):
    path = tmp_path / "x.flac"
    soundfile.write(path, samples, 16000)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(AudioError, match=r"x.flac: .*cut off"):
        read_audio(path)


def test_archives(tmp_path):
    ark = str(tmp_path / "x.ark")
    features = np.arange(12, dtype=np.float32).reshape(3, 4)
    whole = (tone() * 32767).astype(np.int16)
    kaldiio.save_ark(ark, {"mel": features, "wav": (16000, whole)}, scp=str(tmp_path / "scp"))
    places = dict(line.split() for line in (tmp_path / "scp").read_text().splitlines())
    np.testing.assert_array_equal(load_clip(places["mel"]), features)
    np.testing.assert_allclose(load_clip(places["wav"]), whole / 32768.0, atol=1e-7)
    with pytest.raises(AudioError, match="none.ark: cannot be read"):
        load_clip(f"{tmp_path}/none.ark:10")


def test_originals_come_at_16_khz_or_at_their_own_rate(tmp_path):
    soundfile.write(tmp_path / "x.wav", tone(rate=8000), 8000)
    path = str(tmp_path / "x.wav")
    np.testing.assert_array_equal(load_clip(path), to_mono(read_audio(path)))
    assert len(load_clip(path)) == 2 * len(load_samples(path, 8000))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no such file"),
        (b"", r"the file is empty \(0 bytes\)"),
        (b"no sound at all" * 9, "not audio"),
        (b"RIFF\x24\x00\x00\x00WAVEfmt ", "not audio|broken audio"),
    ],
)
def test_what_is_no_audio(tmp_path, content, message):
    path = tmp_path / "x.wav"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(AudioError, match=message) as error:
        read_audio(path)
    assert str(error.value).startswith(str(path))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_samples_that_are_no_numbers(tmp_path, value):
    samples = tone()
    samples[7:9] = value
    soundfile.write(tmp_path / "x.wav", samples, 16000, subtype="FLOAT")
    with pytest.raises(AudioError, match=r"x.wav: 2 samples are NaN or infinite"):
        read_audio(tmp_path / "x.wav")
