"""Audio as it comes

A file is read to its end or refused: cut off, joined, of unknown length, other codecs, odd names.
"""

import os
import shutil
import struct
import subprocess
import sys

import numpy as np
import pytest
import soundfile

from espnet_mlclap.fileio.audio import (
    AudioError,
    Waveform,
    check_samples,
    read_audio,
    to_mono,
)


def read_mono(path):
    """By the function of this name, which earlier versions did not have."""
    try:
        from espnet_mlclap.fileio.audio import read_mono as read
    except ImportError:
        return to_mono(read_audio(path))
    return read(path)


needs_ffmpeg = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")
SECONDS = 6.0
SUBTYPES = {
    "wav": ("WAV", "PCM_16"), "rf64": ("RF64", "PCM_16"), "w64": ("W64", "PCM_16"),
    "aiff": ("AIFF", "PCM_16"), "au": ("AU", "PCM_16"), "caf": ("CAF", "PCM_16"),
    "flac": ("FLAC", "PCM_16"), "ogg": ("OGG", "VORBIS"),
    "opus": ("OGG", "OPUS"), "mp3": ("MP3", "MPEG_LAYER_III"),
}  # fmt: skip
BY_FFMPEG = ("m4a", "mp4", "webm", "mka", "wma", "mov", "aac", "wv")


def sound(seconds=SECONDS, rate=16000):
    generator = np.random.default_rng(0)
    time = np.arange(round(seconds * rate)) / rate
    return (
        0.3 * np.sin(2 * np.pi * 440 * time) + 0.05 * generator.standard_normal(len(time))
    ).astype("f4")


def ffmpeg(*arguments):
    subprocess.run(["ffmpeg", "-v", "error", "-y", *map(str, arguments)], check=True)


def write(path, seconds=SECONDS):
    suffix = path.suffix[1:]
    if suffix in SUBTYPES:
        container, subtype = SUBTYPES[suffix]
        soundfile.write(path, sound(seconds), 16000, format=container, subtype=subtype)
    else:
        if shutil.which("ffmpeg") is None:
            pytest.skip("ffmpeg is not installed")
        source = path.with_name("source.wav")
        soundfile.write(source, sound(seconds), 16000)
        ffmpeg("-i", source, "-movflags", "faststart", path)
    return path


def seconds_of(path):
    samples, rate = read_audio(path)
    assert len(read_mono(path)) == pytest.approx(len(samples) * 16000 / rate, abs=1)
    return len(samples) / rate


@pytest.mark.parametrize("suffix", [*SUBTYPES, *BY_FFMPEG])
def test_half_a_file_is_not_taken_for_a_whole_one(tmp_path, suffix):
    """Half a file, or nine tenths of it, of every format: refused."""
    whole = write(tmp_path / f"whole.{suffix}")
    assert seconds_of(whole) == pytest.approx(SECONDS, abs=0.15)
    data = whole.read_bytes()
    for share in (0.5, 0.9):
        half = tmp_path / f"half.{suffix}"
        half.write_bytes(data[: int(share * len(data))])
        for read in (read_audio, read_mono):
            with pytest.raises(AudioError, match=f"half.{suffix}: (broken or )?cut off"):
                read(half)


@pytest.mark.parametrize(("suffix", "mark"), [("ogg", b"OggS"), ("opus", b"OggS"), ("wv", b"wvpk")])
def test_cut_where_a_page_or_block_ends(tmp_path, suffix, mark):
    """A file cut where a page or a block ends, so that what is left looks whole: refused."""
    data = write(tmp_path / f"whole.{suffix}", seconds=30.0).read_bytes()
    places = [place for place in range(len(data)) if data.startswith(mark, place)]
    assert len(places) > 6
    for place in (places[4], places[-1]):
        path = tmp_path / f"cut.{suffix}"
        path.write_bytes(data[:place])
        for read in (read_audio, read_mono):
            with pytest.raises(AudioError, match=rf"cut\.{suffix}: cut off"):
                read(path)


@needs_ffmpeg
@pytest.mark.parametrize("wide", [False, True], ids=["AMR", "AMR-WB"])
def test_amr_without_the_end_of_its_last_frame(tmp_path, wide):
    """AMR whose last frame has no end: refused."""
    head, frame = (
        (b"#!AMR-WB\n", b"\x14" + bytes(32)) if wide else (b"#!AMR\n", b"\x3c" + bytes(31))
    )
    (tmp_path / "whole.amr").write_bytes(head + 100 * frame)
    assert seconds_of(tmp_path / "whole.amr") == pytest.approx(2.0, abs=0.05)
    (tmp_path / "cut.amr").write_bytes(head + 60 * frame + frame[:9])
    with pytest.raises(AudioError, match=r"cut\.amr: cut off"):
        read_mono(tmp_path / "cut.amr")


@needs_ffmpeg
@pytest.mark.parametrize("behind", [b"TAG" + bytes(125), b""])
@pytest.mark.parametrize("before", [b"ID3\4\0\0\0\0\0\x0a" + bytes(10), b""])
def test_aac_between_tags(tmp_path, before, behind):
    """AAC with tags before and behind it: read to the end, and half of it refused."""
    data = write(tmp_path / "x.aac").read_bytes()
    (tmp_path / "whole.aac").write_bytes(before + data + behind)
    assert seconds_of(tmp_path / "whole.aac") == pytest.approx(SECONDS, abs=0.15)
    (tmp_path / "half.aac").write_bytes(before + data[: len(data) // 2])
    with pytest.raises(AudioError, match=r"half\.aac: cut off"):
        read_mono(tmp_path / "half.aac")


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3", "m4a"])
def test_the_ending_of_the_name_plays_no_part(tmp_path, suffix):
    """A file with the ending of another format, or of none: read."""
    whole = write(tmp_path / f"whole.{suffix}")
    for name in ("x.wav", "x.raw"):
        shutil.copy(whole, tmp_path / name)
        assert seconds_of(tmp_path / name) == pytest.approx(SECONDS, abs=0.15)


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("rate", [8000, 16000, 44100, 48000])
def test_blocks_give_what_the_whole_gives_at_once(tmp_path, monkeypatch, rate, channels):
    """Read and resampled in blocks: the same to the last bit."""
    monkeypatch.setattr("espnet_mlclap.fileio.decoding._BLOCK_FRAMES", 1000)
    samples = np.stack([sound(1.0, rate)] * channels, axis=1)
    samples[:, -1] *= 0.5
    soundfile.write(tmp_path / "x.wav", samples, rate, subtype="FLOAT")
    import soxr

    expected = samples.mean(axis=1)
    if rate != 16000:
        expected = soxr.resample(expected, rate, 16000, quality="HQ")
    np.testing.assert_array_equal(read_mono(tmp_path / "x.wav"), expected)
    np.testing.assert_array_equal(to_mono(Waveform(samples, rate)), expected)


def patched(path, data, *values):
    data = bytearray(data)
    for position, layout, value in values:
        struct.pack_into(layout, data, position, value)
    path.write_bytes(data)
    return path


@needs_ffmpeg
@pytest.mark.parametrize("size", [0, 0xFFFFFFFF, 0x7FFFFFFF, 0x7FFFFFFF - 36])
def test_a_wav_whose_writer_did_not_finish(tmp_path, size):
    """A WAV whose writer was stopped before it filled in the sizes: read to the end."""
    data = write(tmp_path / "whole.wav").read_bytes()
    path = patched(tmp_path / "x.wav", data, (40, "<I", size))
    assert seconds_of(path) == SECONDS


def test_a_wav_without_samples_has_none(tmp_path):
    """A WAV without samples: said."""
    soundfile.write(tmp_path / "x.wav", np.zeros(0), 16000)
    with pytest.raises(AudioError, match="no samples in it"):
        read_mono(tmp_path / "x.wav")


def test_a_few_bytes_that_were_counted_wrongly_do_not_matter(tmp_path):
    """A WAV whose header is some bytes wrong: read."""
    data = write(tmp_path / "whole.wav").read_bytes()
    size = len(data) - 44
    assert seconds_of(patched(tmp_path / "x.wav", data, (40, "<I", size + 36))) == SECONDS
    (tmp_path / "y.wav").write_bytes(data + b"LIST\x04\x00\x00\x00INFO")
    assert seconds_of(tmp_path / "y.wav") == SECONDS


@needs_ffmpeg
def test_a_flac_of_unknown_length(tmp_path):
    """A FLAC of unknown length: read to its end."""
    data = bytearray(write(tmp_path / "whole.flac").read_bytes())
    data[21] &= 0xF0
    data[22:26] = bytes(4)
    (tmp_path / "x.flac").write_bytes(data)
    assert seconds_of(tmp_path / "x.flac") == SECONDS


@needs_ffmpeg
@pytest.mark.parametrize("quality", ["-q:a 4", "-b:a 64k"])
def test_an_mp3_whose_length_is_not_stated(tmp_path, quality):
    """An MP3 without a header that states its length: read to its end."""
    loud_then_quiet = np.concatenate([sound(2.0), np.zeros(64000, "f4")])
    soundfile.write(tmp_path / "s.wav", loud_then_quiet, 16000)
    ffmpeg("-i", tmp_path / "s.wav", "-write_xing", "0", *quality.split(), tmp_path / "x.mp3")
    assert seconds_of(tmp_path / "x.mp3") == pytest.approx(6.0, abs=0.15)


@needs_ffmpeg
@pytest.mark.parametrize("codec", ["libmp3lame", "ac3", "wmav2", "mp2"])
def test_other_codecs_in_a_wav(tmp_path, codec):
    """Another codec inside a WAV: read to its end, and half of it refused."""
    source = write(tmp_path / "s.wav")
    ffmpeg("-i", source, "-c:a", codec, tmp_path / "x.wav")
    assert seconds_of(tmp_path / "x.wav") == pytest.approx(SECONDS, abs=0.2)
    data = (tmp_path / "x.wav").read_bytes()
    (tmp_path / "half.wav").write_bytes(data[: len(data) // 2])
    with pytest.raises(AudioError, match=r"half\.wav: cut off"):
        read_mono(tmp_path / "half.wav")


@needs_ffmpeg
def test_a_wav_of_which_the_decoder_reads_a_part_only(tmp_path):
    """A WAV of which the decoder reads a part only: refused."""
    ffmpeg(
        "-i", write(tmp_path / "s.wav"), "-c:a", "aac", tmp_path / "x.wav"
    )  # without marks between frames
    with pytest.raises(AudioError, match=r"x\.wav: cut off after \d+ of \d+ samples"):
        read_mono(tmp_path / "x.wav")


@needs_ffmpeg
@pytest.mark.parametrize("suffix", ["ogg", "opus", "mp3"])
def test_chained_and_joined_streams_are_read_to_the_last(tmp_path, suffix):
    """Chained Ogg, joined MP3: read to the last."""
    data = write(tmp_path / f"one.{suffix}").read_bytes()
    (tmp_path / f"two.{suffix}").write_bytes(data + data)
    assert seconds_of(tmp_path / f"two.{suffix}") == pytest.approx(2 * SECONDS, abs=0.3)


@pytest.mark.parametrize("suffix", ["wav", "flac"])
def test_what_no_decoder_reads_to_the_end_is_refused(tmp_path, suffix):
    """Joined WAV or FLAC, of which decoders read the first: refused."""
    data = write(tmp_path / f"one.{suffix}").read_bytes()
    (tmp_path / f"two.{suffix}").write_bytes(data + data)
    with pytest.raises(AudioError, match="several recordings were joined"):
        read_mono(tmp_path / f"two.{suffix}")


@needs_ffmpeg
@pytest.mark.parametrize(
    "name", ["12:30:05.m4a", "-dash.m4a", "concat:a.m4a", "a%03d.m4a", "line\nbreak.m4a"]
)
def test_names_that_mean_something_to_ffmpeg(tmp_path, monkeypatch, name):
    """A name with a colon, a leading dash, a percent sign, a line break: read."""
    shutil.move(write(tmp_path / "x.m4a"), tmp_path / name)
    monkeypatch.chdir(tmp_path)
    assert seconds_of(name) == pytest.approx(SECONDS, abs=0.15)


@pytest.mark.parametrize("suffix", ["wav", "m4a"])
def test_names_that_are_not_utf8(tmp_path, suffix):
    """A name that is not UTF-8: read, and shown escaped."""
    whole = write(tmp_path / f"x.{suffix}")
    path = os.fsdecode(os.path.join(os.fsencode(tmp_path), b"caf\xe9." + suffix.encode()))
    os.rename(whole, path)
    assert seconds_of(path) == pytest.approx(SECONDS, abs=0.15)
    with open(path, "wb") as file:
        file.write(b"no sound" * 9)
    with pytest.raises(AudioError, match=rf"caf\\xe9\.{suffix}: not audio"):
        read_mono(path)


@needs_ffmpeg
@pytest.mark.parametrize(
    "content", ["#EXTM3U\n#EXTINF:6,\ns.wav\n", "ffconcat version 1.0\nfile s.wav\n"]
)
def test_a_list_of_other_files_is_not_audio(tmp_path, content):
    """A playlist that names other files: not followed."""
    write(tmp_path / "s.wav")
    (tmp_path / "x.wav").write_text(content)
    with pytest.raises(AudioError, match="not audio"):
        read_mono(tmp_path / "x.wav")


@pytest.mark.parametrize("peak", [20000.0, 1e30])
def test_floats_in_the_range_of_integers(tmp_path, peak):
    """Floats in the range of integers, or of 1e30: said with the peak."""
    soundfile.write(tmp_path / "x.wav", sound() * peak, 16000, subtype="FLOAT")
    for read in (read_audio, read_mono):
        with pytest.raises(
            AudioError, match="x.wav: samples as large as .*, where full scale is 1"
        ):
            read(tmp_path / "x.wav")
    check_samples(sound()[:, None] * 4, "some dB over full scale are usual")


@pytest.mark.parametrize("rate", [1, 999, 0x7FFFFFFF])
def test_rates_that_are_no_sound(tmp_path, rate):
    """A sampling rate of 1 Hz or 2 GHz: refused."""
    data = write(tmp_path / "whole.wav").read_bytes()
    with pytest.raises(AudioError, match="Hz is no sound"):
        read_mono(patched(tmp_path / "x.wav", data, (24, "<I", rate)))


def test_what_is_no_file(tmp_path):
    """A pipe, a device, a folder, a name that cannot be: said, and no hang."""
    os.mkfifo(tmp_path / "pipe.wav")
    for path, why in (
        (tmp_path / "pipe.wav", "not a file, but a folder, a pipe or a device"),
        ("/dev/zero", "not a file"),
        (tmp_path, "not a file"),
        (tmp_path / ("n" * 5000), "File name too long"),
        ("a\0b.wav", "null byte"),
        (tmp_path / "new\nline.wav", r"new\\nline.wav: no such file"),
    ):
        with pytest.raises(AudioError, match=why):
            read_mono(path)


def test_without_ffmpeg_what_to_do_is_said(tmp_path, monkeypatch):
    """No ffmpeg: what to do is said."""
    path = write(tmp_path / "x.m4a")
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(AudioError, match="install ffmpeg"):
        read_mono(path)


def test_memory_does_not_grow_with_the_rate_of_the_file(tmp_path):
    """A long recording: memory for what it is at 16 kHz mono, not for what it is on disk."""
    # a minute of stereo at 96 kHz are 46 MB of samples; at 16 kHz mono they are 4
    with soundfile.SoundFile(tmp_path / "x.flac", "w", 96000, 2) as file:
        for _ in range(60):
            file.write(np.zeros((96000, 2), "f4"))
    code = """
import resource, sys
from espnet_mlclap.fileio.audio import read_mono
read_mono(sys.argv[2])  # libraries
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
assert len(read_mono(sys.argv[1])) == 60 * 16000
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""
    write(tmp_path / "s.flac", 1.0)
    command = [sys.executable, "-c", code, tmp_path / "x.flac", tmp_path / "s.flac"]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    assert int(ended.stdout) < 20
