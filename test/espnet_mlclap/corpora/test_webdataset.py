"""Shards of others: what is read, held against what was put into them."""

import io
import json
import shutil
import tarfile

import numpy as np
import pytest
import soundfile

from espnet_mlclap.bin import download_corpus, format_audio, prepare_corpus
from espnet_mlclap.corpora.audio_folder import prepare_audio_folder
from espnet_mlclap.corpora.webdataset import expand_braces, read_shards
from espnet_mlclap.fileio.audio import load_clip, read_mono
from espnet_mlclap.fileio.data_dir import DataDir
from espnet_mlclap.utils.errors import UserError


def sound(number, kind):
    samples = (
        np.random.default_rng(number).integers(-3000, 3000, 500 + 10 * number).astype(np.int16)
    )
    file = io.BytesIO()
    soundfile.write(file, samples, 16000, format=kind)
    return file.getvalue(), samples


def write(path, members):
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))


def as_json(**about):
    return json.dumps(about, ensure_ascii=False).encode()


@pytest.fixture
def folder(tmp_path):
    write(
        tmp_path / "in/train/000000.tar",
        {
            "./a/one.flac": sound(1, "FLAC")[0], "./a/one.txt": "Régen\n fällt.".encode(),
            "two.wav": sound(2, "WAV")[0], "two.json": as_json(caption=["a", "b"], label="x"),
            "two.jpg": b"no sound",
            "silent.txt": b"a", "unnamed.flac": sound(3, "FLAC")[0],
        },
    )  # fmt: skip
    long = "k" * 130
    write(
        tmp_path / "in/train/000001.tar",
        {
            "two.v1.flac": sound(4, "FLAC")[0],  # another suffix: `v1.flac`
            "two.flac": sound(5, "FLAC")[0], "two.txt": b"a",
            "two.json": as_json(text={"fra_Latn": "un", "eng_Latn": ["c", "a"]}),
            f"{long}.flac": sound(6, "FLAC")[0], f"{long}.json": as_json(captions="ein", lang="deu_Latn"),
        },
    )  # fmt: skip
    return tmp_path / "in"


def test_what_is_read(folder):
    data = read_shards(folder / "train", prefix="p_", lang="eng_Latn")
    numbers = {}
    for clip, place in data.wav_scp.items():
        assert clip.startswith("p_")
        samples = read_mono(place)
        numbers[clip] = (len(samples) - 500) // 10
        np.testing.assert_array_equal(samples, sound(numbers[clip], "WAV")[1] / 32768)
        np.testing.assert_array_equal(load_clip(place), samples)
    by_number = {number: [] for number in numbers.values()}
    for caption in data.captions.values():
        by_number[numbers[caption.clip]].append((caption.lang[:2], caption.text))
    assert by_number == {
        1: [("en", "Régen fällt.")],
        2: [("en", "a"), ("en", "b")],
        5: [("fr", "un"), ("en", "c"), ("en", "a")],
        6: [("de", "ein")],
    }
    assert data.labels == {}  # not all clips have one


def test_our_own_shards_come_back_as_they_were(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    prepare = ["webdataset", "--captions_dir", "in", "--audio_dir", "in"]
    prepare_corpus.main([*prepare, "--out_dir", "data", "--name", "p"])
    arguments = ["--data_dir", "data/p_train", "--out_dir", "out/train", "--audio_format", "shards"]
    format_audio.main(arguments)
    shutil.move("out/train/shards", "again/train")
    again = ["webdataset", "--captions_dir", "again", "--audio_dir", "again"]
    prepare_corpus.main([*again, "--out_dir", "data2", "--name", "p"])

    def facts(folder):
        data = DataDir.read(folder)
        clips = {clip: read_mono(place).tobytes() for clip, place in data.wav_scp.items()}
        return sorted((clips[one.clip], one.lang, one.text) for one in data.captions.values())

    assert facts("data/p_train") == facts("data2/p_train")


def test_splits_of_a_folder_may_be_shards(folder, tmp_path):
    shutil.copytree(folder / "train", folder / "test")
    sets = prepare_audio_folder(folder, tmp_path / "data")
    assert {name: len(data.wav_scp) for name, data in sets.items()} == {
        "train": 4,
        "valid": 4,
        "test": 4,
    }
    assert len(DataDir.read(tmp_path / "data/test").captions) == 7
    (folder / "test/metadata.csv").write_text("file_name,caption\n000000.tar,x\n")
    assert len(prepare_audio_folder(folder, tmp_path / "data")["test"].captions) == 1


def test_what_is_missing_is_named(folder, tmp_path):
    with pytest.raises(UserError, match="there is no .tar in it"):
        read_shards(tmp_path)
    write(tmp_path / "none/0.tar", {"a.flac": b"x"})
    with pytest.raises(UserError, match="none of its 1 shards has a clip with captions"):
        read_shards(tmp_path / "none")


def test_addresses():
    assert expand_braces("http://x/a.tar") == ["http://x/a.tar"]
    assert expand_braces("{0..1}/{8..10}")[::5] == ["0/8", "1/10"]
    for broken in ("a{1..}", "a{3..1}", "a{a,b}", "a{0..999999999}"):
        with pytest.raises(UserError, match="--address"):
            expand_braces(broken)


def test_shards_are_fetched(folder, tmp_path, http_server):
    for path in (folder / "train").iterdir():
        http_server.files[f"/{path.name}"] = path.read_bytes()
    address = http_server.address
    download_corpus.main(
        [
            "webdataset",
            "--address",
            f"{address}/{{000000..000001}}.tar",
            "--out_dir",
            str(tmp_path / "got"),
        ]
    )
    for name in ("000000.tar", "000001.tar"):
        assert (tmp_path / "got" / name).read_bytes() == (folder / "train" / name).read_bytes()
    with pytest.raises(SystemExit):
        download_corpus.main(
            ["webdataset", "--address", "file:///x.tar", "--out_dir", str(tmp_path)]
        )
