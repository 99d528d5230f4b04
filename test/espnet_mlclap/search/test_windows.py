"""Windows of a recording: where they are, and that a stream gives what the whole file gives."""

import subprocess
import sys

import numpy as np
import pytest
import soundfile

from espnet_mlclap.fileio.audio import AudioError
from espnet_mlclap.search.windows import WindowPlan, read_windows
from espnet_mlclap.utils.errors import UserError


def write(path, seconds, rate=1000, channels=2):
    samples = np.random.default_rng(0).uniform(-0.5, 0.5, (round(seconds * rate), channels))
    soundfile.write(path, samples, rate, subtype="FLOAT")
    return samples.astype(np.float32).mean(axis=1)


@pytest.mark.parametrize("seconds", [0.001, 4, 10, 10.001, 12.5, 15, 15.5, 20, 23.7, 61])
@pytest.mark.parametrize("plan", [WindowPlan(), WindowPlan(3, 0.5), WindowPlan(7, 7)], ids=str)
def test_a_stream_gives_the_pieces_of_the_file(tmp_path, seconds, plan):
    whole = write(tmp_path / "a.wav", seconds)
    read = list(read_windows(tmp_path / "a.wav", plan))
    assert [(window.start, window.end) for window in read] == plan.spans(len(whole) / 1000)
    for window in read:
        piece = whole[round(window.start * 1000) : round(window.end * 1000)]
        np.testing.assert_allclose(window.samples, piece, atol=1e-6)
    assert read[-1].end == len(whole) / 1000
    assert all(later.start - one.start == plan.hop for one, later in zip(read, read[1:]))
    first = len(read) // 2
    for one, other in zip(read_windows(tmp_path / "a.wav", plan, first), read[first:], strict=True):
        assert one[:2] == other[:2]
        np.testing.assert_array_equal(one.samples, other.samples)


def test_whole_recordings(tmp_path):
    whole = write(tmp_path / "a.wav", 31)
    (window,) = read_windows(tmp_path / "a.wav", WindowPlan(0))
    assert (window.start, window.end) == (0, 31) == WindowPlan(0).spans(31)[0]
    np.testing.assert_allclose(window.samples, whole, atol=1e-6)


def test_memory_does_not_grow_with_the_recording(tmp_path):
    """Ten minutes of 48 kHz in stereo are 230 MB as float32."""
    path = tmp_path / "long.flac"
    with soundfile.SoundFile(path, "w", 48000, 2) as file:
        for _ in range(60):
            file.write(np.zeros((480_000, 2), dtype=np.int16))
    code = (
        "import resource, sys; from espnet_mlclap.search.windows import *\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "print(sum(1 for _ in read_windows(sys.argv[1], WindowPlan())))\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, check=True, text=True
    )
    windows, grown = map(int, run.stdout.split())
    assert windows == 119
    kilobyte = 1 if sys.platform == "linux" else 1024
    assert grown < 60_000 * kilobyte


def test_what_cannot_be_read_is_named(tmp_path):
    (tmp_path / "a.wav").write_text("no sound")
    with pytest.raises(AudioError, match=r"a\.wav"):
        list(read_windows(tmp_path / "a.wav", WindowPlan()))
    soundfile.write(tmp_path / "c.flac", np.zeros(30_000), 1000)
    whole = (tmp_path / "c.flac").read_bytes()
    (tmp_path / "c.flac").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(AudioError, match=r"c\.flac"):
        list(read_windows(tmp_path / "c.flac", WindowPlan()))


@pytest.mark.parametrize(("window", "hop"), [(-1, 1), (5, 0), (5, 6)])
def test_impossible_plans(window, hop):
    with pytest.raises(UserError, match="--window"):
        WindowPlan(window, hop)
