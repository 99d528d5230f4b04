"""Sets in shards: what is in them, read by `tarfile` and by `webdataset`; kills, and changed files."""

import io
import json
import os
import signal
import subprocess
import sys
import tarfile
import time

import numpy as np
import pytest
import soundfile
import webdataset

from espnet_mlclap.bin import check_data
from espnet_mlclap.fileio.audio import AudioError, load_clip
from espnet_mlclap.fileio.data_dir import Caption, DataDir, caption_id
from espnet_mlclap.fileio.format_audio import format_audio
from espnet_mlclap.fileio.shards import check_shards, read_manifest
from espnet_mlclap.utils.errors import UserError
from espnet_mlclap.utils.shard import all_shards

NAMES = [f"clip{number:02d}" for number in range(18)] + ["a/b.c", "日本"]


@pytest.fixture
def data(tmp_path):
    """Twenty clips of noise, each of its own length; some ids are no names of files."""
    (tmp_path / "audio").mkdir()
    draws = np.random.default_rng(0)
    data = DataDir()
    for number, clip in enumerate(NAMES):
        path = tmp_path / f"audio/{number}.wav"
        samples = draws.integers(-3000, 3000, 400 + 10 * number).astype(np.int16)
        soundfile.write(path, samples, 16000)
        data.wav_scp[clip] = str(path)
        for lang, text in (("eng_Latn", f"Sound {number}."), ("fra_Latn", f"Bruit n° {number}.")):
            data.captions[caption_id(clip, lang, 1)] = Caption(text, clip, lang)
    data.labels = dict.fromkeys(data.wav_scp, "noise")
    data.write(tmp_path / "data")
    return data


def into(data, out_dir, audio_format="shards", **options):
    options = {"clips_per_shard": 8, **options}
    format_audio(data, out_dir, wav_scp="wav.scp", audio_format=audio_format, **options)
    return DataDir.read(out_dir)


def members(shard):
    with tarfile.open(shard) as tar:
        return [(member.name, tar.extractfile(member).read()) for member in tar]


def files(folder):
    return {path.name: path.read_bytes() for path in sorted((folder / "shards").iterdir())}


def test_clips_stand_next_to_what_is_known_about_them(data, tmp_path):
    out = into(data, tmp_path / "out")
    found = {}
    shards = sorted((tmp_path / "out/shards").glob("*.tar"))
    assert [shard.name for shard in shards] == [
        "000000.tar",
        "000001.tar",
        "000002.tar",
        "000003.tar",
    ]
    for shard in shards:
        inside = members(shard)
        for (sound, flac), (facts, about) in zip(inside[::2], inside[1::2]):
            assert (sound[-5:], facts[-5:], sound[:-5]) == (".flac", ".json", facts[:-5])
            assert not set(sound[:-5]) & set("./")
            about = json.loads(about)
            assert about["clip"] not in found
            found[about["clip"]] = about
            samples, rate = soundfile.read(io.BytesIO(flac), dtype="int16")
            original, _ = soundfile.read(data.wav_scp[about["clip"]], dtype="int16")
            np.testing.assert_array_equal(samples, original)
            assert (about["num_samples"], about["sampling_rate"]) == (len(samples), rate)
            assert about["duration"] == pytest.approx(len(samples) / 16000, abs=1e-4)
            np.testing.assert_array_equal(load_clip(out.wav_scp[about["clip"]]), samples / 32768)
    assert set(found) == set(NAMES)
    assert found["日本"]["captions"] == {"eng_Latn": ["Sound 19."], "fra_Latn": ["Bruit n° 19."]}
    assert found["日本"]["label"] == "noise"
    manifest = read_manifest(tmp_path / "out")
    assert [(one.shard, one.bytes) for one in manifest] == [
        (s.name, s.stat().st_size) for s in shards
    ]
    assert sum(one.clips for one in manifest) == 20
    check_shards(tmp_path / "out/shards", read_manifest(tmp_path / "out"), contents=True)


def test_the_same_tables_as_from_files(data, tmp_path):
    into(data, tmp_path / "out")
    into(data, tmp_path / "flac", audio_format="flac")
    for name in ("text", "utt2clip", "utt2num_samples", "clip2md5", "clip2dur", "clip2label"):
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "flac" / name).read_bytes()


def test_webdataset_reads_them(data, tmp_path):
    into(data, tmp_path / "out")
    address = str(tmp_path / "out/shards/{000000..000003}.tar")
    read = {}
    for sample in webdataset.WebDataset(address, shardshuffle=False):
        assert set(sample) >= {"__key__", "flac", "json"}
        about = json.loads(sample["json"])
        read[about["clip"]] = len(soundfile.read(io.BytesIO(sample["flac"]))[0])
    assert read == {clip: 400 + 10 * number for number, clip in enumerate(NAMES)}


def test_killed_and_started_again_it_gives_the_same(data, tmp_path):
    into(data, tmp_path / "whole", clips_per_shard=1)
    command = [sys.executable, "-m", "espnet_mlclap.bin.format_audio", "--audio_format", "shards"]
    command += ["--data_dir", str(tmp_path / "data"), "--out_dir", str(tmp_path / "out")]
    command += ["--clips_per_shard", "1"]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    blocks = tmp_path / "out/blocks"
    while process.poll() is None and not (blocks.exists() and os.listdir(blocks)):
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "out/wav.scp").exists()
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    assert files(tmp_path / "out") == files(tmp_path / "whole")


def test_several_jobs_give_the_same(data, tmp_path):
    into(data, tmp_path / "whole")
    for shard in all_shards(3):
        format_audio(
            data,
            tmp_path / "out",
            wav_scp="x",
            audio_format="shards",
            shard=shard,
            clips_per_shard=8,
        )
    into(data, tmp_path / "out")
    assert files(tmp_path / "out") == files(tmp_path / "whole")


def test_only_what_has_changed_is_made_again(data, tmp_path):
    def made():
        return {path.name: path.stat().st_ino for path in (tmp_path / "out/shards").glob("*.tar")}

    into(data, tmp_path / "out")
    first = made()
    into(data, tmp_path / "out")
    assert made() == first
    data.captions[caption_id("clip03", "eng_Latn", 1)] = Caption("New.", "clip03", "eng_Latn")
    into(data, tmp_path / "out")
    assert len(made().items() & first.items()) == 3
    into(data, tmp_path / "out", clips_per_shard=100)
    assert list(made()) == ["000000.tar"]
    with pytest.raises(UserError, match="--clips_per_shard must be at least 1"):
        into(data, tmp_path / "out", clips_per_shard=0)


def change(path, place):
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("harm", "problem"),
    [
        (lambda path: path.unlink(), "missing"),
        (
            lambda path: path.write_bytes(path.read_bytes()[:-512]),
            "bytes, where manifest.jsonl says",
        ),
        (lambda path: change(path, 700), "has changed since it was written"),
    ],
)
def test_a_missing_short_or_changed_shard_is_named(data, tmp_path, harm, problem):
    into(data, tmp_path / "out")
    harm(tmp_path / "out/shards/000002.tar")
    with pytest.raises(UserError, match=f"000002.tar: .*{problem}"):
        check_shards(tmp_path / "out/shards", read_manifest(tmp_path / "out"), contents=True)


def test_stage_4_compares_the_checksums(data, tmp_path, capsys):
    into(data, tmp_path / "out")
    arguments = ["--train_data_dir", str(tmp_path / "out"), "--out_dir", str(tmp_path / "stats")]
    check_data.main(arguments)
    change(tmp_path / "out/shards/000001.tar", 700)
    with pytest.raises(SystemExit):
        check_data.main(arguments)
    assert "000001.tar: has changed since it was written" in capsys.readouterr().err


def test_a_clip_whose_shard_has_changed_is_named(data, tmp_path):
    out = into(data, tmp_path / "out")
    change(tmp_path / "out/shards/000001.tar", 3)  # the header of its first clip
    place = next(place for place in out.wav_scp.values() if place.endswith("000001.tar:0"))
    with pytest.raises(AudioError, match="000001.tar:0: no file of a tar archive begins here"):
        load_clip(place)


@pytest.mark.parametrize(
    "line",
    ["{", "[]", '{"shard": "../x.tar", "clips": 1, "bytes": 1, "blake2b": ""}', '{"shard": 1}'],
)
def test_a_broken_manifest_is_named(data, tmp_path, line):
    into(data, tmp_path / "out")
    (tmp_path / "out/shards/manifest.jsonl").write_text(line + "\n")
    with pytest.raises(UserError, match="manifest.jsonl:1: "):
        read_manifest(tmp_path / "out")
    with pytest.raises(UserError, match="--audio_format shards"):
        read_manifest(tmp_path)
