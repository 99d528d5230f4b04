"""Long recordings: what is heard is where `segments` says, in every language; the seed decides."""

from itertools import combinations

import numpy as np
import pytest
import soundfile

from espnet_mlclap.corpora.long_recordings import LongSettings, make_long_recordings
from espnet_mlclap.fileio.data_dir import Caption, DataDir
from espnet_mlclap.fileio.segments import read_segments
from espnet_mlclap.utils.errors import UserError

RATE = 8000


@pytest.fixture
def clips(tmp_path):
    """Twelve tones of 200 to 2400 Hz with silence at both ends; the last three have a caption in common."""
    data = DataDir()
    for number in range(12):
        tone = np.sin(2 * np.pi * 200 * (number + 1) * np.arange(RATE * (1 + number % 3)) / RATE)
        samples = np.concatenate([np.zeros(RATE), 0.5 * tone, np.zeros(RATE)])
        path = tmp_path / f"{number}.wav"
        soundfile.write(path, samples, RATE)
        data.wav_scp[f"c{number}"] = str(path)
        for lang in ("eng_Latn", "jpn_Jpan"):
            words = f"{lang} tone {min(number, 9)}"
            data.captions[f"c{number}-{lang}-1"] = Caption(words, f"c{number}", lang)
    return data


def strength(samples, number):
    times = np.arange(len(samples)) / RATE
    return abs((samples * np.exp(-2j * np.pi * 200 * (number + 1) * times)).mean())


def test_clips_are_heard_where_segments_says(clips, tmp_path):
    settings = LongSettings(recordings=5, clips=(4, 6), rate=RATE)
    made = make_long_recordings(clips, tmp_path / "long", settings)
    read = DataDir.read(tmp_path / "long/data")
    assert read.captions == made.captions
    segments = read_segments(tmp_path / "long/data", read.captions)
    assert {*segments} == {*read.captions}
    for name, path in read.wav_scp.items():
        samples, rate = soundfile.read(path)
        assert rate == RATE
        assert len(samples) / rate == pytest.approx(read.durations[name], abs=1e-3)
        mine = {key: value for key, value in segments.items() if read.captions[key].clip == name}
        english = {key: value for key, value in mine.items() if "-eng_" in key}
        assert 4 <= len(english) <= 6
        assert len(mine) == 2 * len(english)
        words = [read.captions[key].text for key in english]
        assert len({*words}) == len(words), "no two that fit the same words"
        for key, ((start, end),) in english.items():
            np.testing.assert_array_equal(mine[key.replace("eng_Latn", "jpn_Jpan")], [[start, end]])
            number = int(read.captions[key].text.split()[-1])
            if number == 9:  # one of three
                continue
            inside = samples[round(start * rate) : round(end * rate)]
            outside = np.concatenate([samples[: round(start * rate)], samples[round(end * rate) :]])
            assert strength(inside, number) > 0.02
            assert strength(outside, number) < 0.2 * strength(inside, number)
            assert end - start == pytest.approx(1 + number % 3, abs=0.01), "silence is cut off"
    overlapping = sum(
        a[0, 0] < b[0, 1] and b[0, 0] < a[0, 1]
        for name in read.wav_scp
        for a, b in combinations(
            [v for k, v in segments.items() if "eng_" in k and read.captions[k].clip == name], 2
        )
    )
    assert overlapping > 0


def test_the_seed_decides(clips, tmp_path):
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        make_long_recordings(clips, tmp_path / name, LongSettings(2, (3, 3), rate=RATE, seed=seed))
    one, same, other = ((tmp_path / name / "data/segments").read_text() for name in "abc")
    assert one == same != other
    with pytest.raises(UserError, match="--clips 3 13"):
        make_long_recordings(clips, tmp_path, LongSettings(2, (3, 13)))


def test_segments_that_are_broken(tmp_path):
    captions = {"a-eng_Latn-1": Caption("x", "rec", "eng_Latn")}

    def read(line):
        (tmp_path / "segments").write_text(line + "\n")
        return read_segments(tmp_path, captions)

    np.testing.assert_array_equal(
        read("a-eng_Latn-1 rec 0.5 2 7 8.25")["a-eng_Latn-1"], [[0.5, 2], [7, 8.25]]
    )
    for line, message in (
        ("b rec 0 1", "'b' is not in"),
        ("a-eng_Latn-1 other 0 1", "of 'rec' in utt2clip, and of 'other' here"),
        ("a-eng_Latn-1 rec 1 0", "start before end"),
        ("a-eng_Latn-1 rec 1", "start before end"),
        ("a-eng_Latn-1 rec -1 0", "start before end"),
        ("a-eng_Latn-1 rec 0 nan", "start before end"),
        ("a-eng_Latn-1 rec", "start before end"),
        ("a-eng_Latn-1 rec a b", "start before end"),
    ):
        with pytest.raises(UserError, match=message):
            read(line)
