"""Formatting: any rate and channel count to 16 kHz mono, three formats, bad audio, kills, resuming."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import soundfile

from espnet_mlclap.bin.format_audio import log_mel
from espnet_mlclap.fileio.audio import AudioError, load_clip
from espnet_mlclap.fileio.data_dir import Caption, DataDir, caption_id
from espnet_mlclap.fileio.format_audio import AUDIO_FORMATS, add_captions, format_audio
from espnet_mlclap.utils.errors import UserError
from espnet_mlclap.utils.shard import all_shards


def tone(seconds, rate, hertz=440.0):
    return 0.5 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)


def make_set(folder, files):
    """A set of one clip and one caption a file, written to `folder`; sound by file name."""
    folder.mkdir(parents=True, exist_ok=True)
    data = DataDir()
    for number, (name, sound) in enumerate(files.items()):
        path = folder / name
        if isinstance(sound, bytes):
            path.write_bytes(sound)
        elif sound is not None:
            soundfile.write(path, *sound)
        clip = f"c{number:03d}"
        data.wav_scp[clip] = str(path)
        data.captions[f"{clip}-eng_Latn-1"] = Caption("A sound.", clip, "eng_Latn")
    return data


def format_into(data, out_dir, **options):
    return format_audio(data, out_dir, wav_scp="data/x/wav.scp", **options)


@pytest.fixture
def mixed(tmp_path):
    """Rates, channels, formats, a name with blanks; all hold half a second of the same tone."""
    two = np.stack([tone(0.5, 44100), tone(0.5, 44100)], axis=1)
    return make_set(
        tmp_path / "audio",
        {
            "16k.wav": (tone(0.5, 16000), 16000),
            "8k.flac": (tone(0.5, 8000), 8000),
            "44k stereo é.ogg": (two, 44100),
            "48k.mp3": (tone(0.5, 48000), 48000),
        },
    )


def test_every_format_is_mono_at_16_khz(mixed, tmp_path):
    assert format_into(mixed, tmp_path / "out") == []
    out = DataDir.read(tmp_path / "out")
    expected = tone(0.5, 16000)
    for clip, path in out.wav_scp.items():
        samples = load_clip(path)
        assert samples.dtype == np.float32
        assert samples.shape == (int(out.extra["utt2num_samples"][clip]),)
        assert abs(len(samples) - 8000) <= 1200  # MP3 adds some silence
        assert out.durations[clip] == pytest.approx(len(samples) / 16000, abs=1e-4)
    for clip in ("c000", "c001", "c002"):
        samples = load_clip(out.wav_scp[clip])
        assert len(samples) == 8000
        middle = slice(1000, 7000)  # Vorbis and resampling smear the ends
        assert np.abs(samples[middle] - expected[middle]).max() < 0.03
    assert (tmp_path / "out/feats_type").read_text() == "raw\n"
    assert out.captions == mixed.captions


def test_the_formats_hold_the_same_samples(mixed, tmp_path):
    sets = {}
    for audio_format in AUDIO_FORMATS:
        format_into(
            mixed, tmp_path / audio_format, audio_format=audio_format, log_mel=log_mel, nj=2
        )
        sets[audio_format] = DataDir.read(tmp_path / audio_format)
    import torch

    from espnet_mlclap.models.audio_encoder.mel import LogMel

    for clip in mixed.wav_scp:
        samples = load_clip(sets["flac"].wav_scp[clip])
        np.testing.assert_array_equal(load_clip(sets["flac.ark"].wav_scp[clip]), samples)
        features = load_clip(sets["log_mel.ark"].wav_scp[clip])
        assert features.shape == (1 + len(samples) // 160, 64)
        whole = LogMel()(torch.from_numpy(samples)[None], torch.tensor([len(samples)]))[0]
        np.testing.assert_allclose(features, whole.numpy(), atol=1e-4)
    assert (tmp_path / "log_mel.ark/feats_type").read_text() == "log_mel\n"
    counts = [one.extra["utt2num_samples"] for one in sets.values()]
    assert counts[0] == counts[1] == counts[2]


def test_the_sum_is_of_the_16_bit_samples(tmp_path):
    samples = (np.arange(1600) % 200 - 100).astype(np.int16)
    wav, flac = (samples, 16000), (samples, 16000)
    format_into(make_set(tmp_path / "a", {"x.wav": wav, "y.flac": flac}), tmp_path / "out")
    sums = (tmp_path / "out/clip2md5").read_text().split()
    assert sums[1] == sums[3] == hashlib.md5(samples.tobytes()).hexdigest()


SOUND = (tone(0.1, 16000), 16000)
BAD = {
    "missing": (None, "no such file"),
    "empty": (b"", "the file is empty (0 bytes)"),
    "not_audio": (b"a text, no sound\n" * 20, "not audio"),
    "nan": ((np.array([0.0, np.nan, 0.5]), 16000, "FLOAT"), "1 samples are NaN or infinite"),
    "no_samples": ((np.zeros(0), 16000), "no samples in it"),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_audio_is_named_with_file_and_line(tmp_path, kind):
    sound, message = BAD[kind]
    data = make_set(tmp_path / "audio", {"a.wav": SOUND, "b.wav": sound, "c.wav": SOUND})
    with pytest.raises(AudioError) as error:
        format_into(data, tmp_path / "out")
    assert str(error.value).startswith("data/x/wav.scp:2: clip 'c001': ")
    assert str(tmp_path / "audio/b.wav") in str(error.value)
    assert message in str(error.value)
    assert "--skip_bad_audio true" in str(error.value)
    assert not (tmp_path / "out/wav.scp").exists()


def test_bad_audio_is_counted_and_listed_when_it_is_skipped(tmp_path):
    files = {"a.wav": SOUND, **{f"{kind}.wav": sound for kind, (sound, _) in BAD.items()}}
    data = make_set(tmp_path / "audio", files)
    data.labels = dict.fromkeys(data.wav_scp, "dog")
    bad = format_into(data, tmp_path / "out", skip_bad_audio=True)
    assert [clip.clip for clip in bad] == [f"c{number:03d}" for number in range(1, 6)]
    out = DataDir.read(tmp_path / "out")
    assert list(out.wav_scp) == ["c000"]
    assert list(out.captions) == ["c000-eng_Latn-1"]
    assert out.labels == {"c000": "dog"}
    listed = (tmp_path / "out/bad_audio.txt").read_text().splitlines()
    assert len(listed) == 5
    assert listed[0].startswith("data/x/wav.scp:2: ")
    with pytest.raises(AudioError):  # the blocks made so do not hide it from the next run
        format_into(data, tmp_path / "out")


def test_nothing_but_bad_audio_is_an_error(tmp_path):
    data = make_set(tmp_path / "audio", {"a.wav": b""})
    with pytest.raises(UserError, match="none of its 1 clips can be read"):
        format_into(data, tmp_path / "out", skip_bad_audio=True)


def contents(folder):
    """What a set holds: tables, and sound by clip."""
    data = DataDir.read(folder)
    sound = {clip: load_clip(path).tobytes() for clip, path in data.wav_scp.items()}
    return sound, (folder / "text").read_bytes(), (folder / "clip2md5").read_bytes()


@pytest.fixture
def many(tmp_path):
    sounds = {f"{number}.wav": (tone(0.2, 22050, 200 + number), 22050) for number in range(100)}
    data = make_set(tmp_path / "audio", sounds)
    data.write(tmp_path / "data")
    return data


@pytest.mark.parametrize("nj", [1, 2])
def test_killed_and_started_again_it_gives_the_same(many, tmp_path, nj):
    format_into(many, tmp_path / "whole")
    command = [sys.executable, "-m", "espnet_mlclap.bin.format_audio", "--nj", str(nj)]
    command += ["--data_dir", str(tmp_path / "data"), "--out_dir", str(tmp_path / "out")]
    process = subprocess.Popen(command, start_new_session=True, stderr=subprocess.DEVNULL)
    blocks = tmp_path / "out/blocks"
    while process.poll() is None and not (blocks.exists() and os.listdir(blocks)):
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()
    time.sleep(1.0)  # the workers see within half a second that their parent is gone
    assert not (tmp_path / "out/wav.scp").exists()
    leftovers = sorted(os.listdir(blocks))
    time.sleep(0.3)
    assert sorted(os.listdir(blocks)) == leftovers  # and do no more work
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")
    assert not [name for name in os.listdir(blocks) if name.endswith(".tmp")]


def test_finished_blocks_are_kept_and_others_made_again(many, tmp_path):
    def made():
        return {path: path.stat().st_mtime_ns for path in (tmp_path / "out/blocks").iterdir()}

    format_into(many, tmp_path / "out")
    first = made()
    assert len(first) == 4
    format_into(many, tmp_path / "out", nj=2)
    assert made() == first
    soundfile.write(many.wav_scp["c050"], *SOUND)
    format_into(many, tmp_path / "out")
    assert len(made().items() & first.items()) == 3
    assert len(made()) == 4
    assert len(load_clip(DataDir.read(tmp_path / "out").wav_scp["c050"])) == 1600
    earlier = made()
    soundfile.write(tmp_path / "audio/new.wav", *SOUND)
    many.wav_scp = {"a_new_one": str(tmp_path / "audio/new.wav"), **many.wav_scp}
    key = caption_id("a_new_one", "eng_Latn", 1)
    many.captions[key] = Caption("New.", "a_new_one", "eng_Latn")
    format_into(many, tmp_path / "out")
    assert len(made().items() & earlier.items()) == 3, "one more clip changes one block"
    assert list(DataDir.read(tmp_path / "out").wav_scp) == list(many.wav_scp)


def test_an_output_that_is_not_writable(many, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot be created"):
        format_into(many, tmp_path / "file/out")


def test_translations_are_added(many):
    new = {"c000-fra_Latn-1": Caption("Un son.", "c000", "fra_Latn")}
    add_captions(many, new, "data/x_le")
    assert many.captions["c000-fra_Latn-1"].text == "Un son."
    with pytest.raises(UserError, match=r"data/x_le/text: 'c000-fra_Latn-1' is also in the set"):
        add_captions(many, new, "data/x_le")
    with pytest.raises(UserError, match="the set has no clip 'zzz'"):
        add_captions(many, {"zzz-fra_Latn-1": Caption("x", "zzz", "fra_Latn")}, "data/x_le")


def tables(folder):
    return {
        path.name: path.read_text().replace(str(folder), "OUT")
        for path in folder.iterdir()
        if path.is_file()
    }


def test_shares_make_the_blocks_and_who_comes_last_the_tables(many, tmp_path):
    format_into(many, tmp_path / "at_once")
    out = tmp_path / "out"
    blocks = []
    for shard in all_shards(3):
        assert format_into(many, out, shard=shard) == []
        blocks.append(len(list((out / "blocks").iterdir())))
        assert tables(out) == {}
    assert blocks == [2, 3, 4]
    made = {path: path.stat().st_mtime_ns for path in out.rglob("*.flac")}
    format_into(many, out)
    assert made == {path: path.stat().st_mtime_ns for path in out.rglob("*.flac")}
    assert len(made) == 100
    assert tables(out) == tables(tmp_path / "at_once")


def test_a_share_that_a_kill_has_left_out_is_made_with_the_tables(many, tmp_path):
    format_into(many, tmp_path / "out", shard=all_shards(2)[1])
    format_into(many, tmp_path / "out")
    assert len(DataDir.read(tmp_path / "out").wav_scp) == 100


def test_a_block_with_a_hole_is_named(mixed, tmp_path):
    format_into(mixed, tmp_path / "out")
    (path,) = (tmp_path / "out/blocks").glob("*/clips.json")
    path.write_text(json.dumps(json.loads(path.read_text())[1:]))
    with pytest.raises(UserError, match="clips are missing, there twice, or others. Remove "):
        format_into(mixed, tmp_path / "out")
