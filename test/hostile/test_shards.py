"""Shards of strangers"""

import gzip
import io
import json
import os
import tarfile

import numpy as np
import pytest
import soundfile

from espnet_mlclap.bin import format_audio, prepare_corpus
from espnet_mlclap.corpora.webdataset import read_shards
from espnet_mlclap.fileio import audio
from espnet_mlclap.fileio.data_dir import DataDir
from espnet_mlclap.utils.errors import UserError


def flac(samples=1600):
    file = io.BytesIO()
    noise = (
        np.random.default_rng(0).uniform(-0.1, 0.1, samples)
        if samples < 10**6
        else np.zeros(samples)
    )
    soundfile.write(file, noise, 16000, format="FLAC")
    return file.getvalue()


GOOD = [("good.flac", flac()), ("good.txt", b"rain")]


def write(path, members, form=tarfile.PAX_FORMAT):
    """A tar file as a stranger would make it; a member is (name, content), or a TarInfo."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w", format=form) as tar:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                tar.addfile(member)
            else:
                info = tarfile.TarInfo(member[0])
                info.size = len(member[1])
                tar.addfile(info, io.BytesIO(member[1]))
    return path


def of_kind(kind, name="x.flac", target="/etc/passwd"):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def sparse(name="x.flac"):
    info = tarfile.TarInfo(name)
    info.pax_headers = {
        "GNU.sparse.major": "1",
        "GNU.sparse.minor": "0",
        "GNU.sparse.realsize": str(1 << 50),
    }
    return info


MEMBERS = {
    "symbolic link": of_kind(tarfile.SYMTYPE),
    "hard link": of_kind(tarfile.LNKTYPE),
    "link instead of a caption": of_kind(tarfile.SYMTYPE, "good.json"),
    "device": of_kind(tarfile.CHRTYPE),
    "block device": of_kind(tarfile.BLKTYPE),
    "pipe": of_kind(tarfile.FIFOTYPE),
    "old sparse file": of_kind(tarfile.GNUTYPE_SPARSE),
    "sparse file of a petabyte": sparse(),
    "absolute name": ("/etc/x.flac", b"x"),
    "name that leads upwards": ("../../x.flac", b"x"),
    "name that leads upwards inside": ("a/../../x.flac", b"x"),
    "a name twice": ("good.flac", b"x"),
    "a name twice in capitals": ("good.FLAC", b"x"),
    "name of a megabyte": ("x" * (1 << 20) + ".flac", b"x"),
    "captions of two megabytes": ("good.json", b'{"caption": "' + b"x" * (2 << 20) + b'"}'),
    "captions that are no JSON": ("good.json", b'{"caption": '),
    "captions nested without end": ("good.json", b'{"caption": ' + b"[" * 100_000),
    "captions that are numbers": ("good.json", b'{"caption": [1, 2]}'),
    "captions in no language": ("good.json", b'{"captions": {"xxx": "a"}}'),
    "captions that are no UTF-8": ("good.json", b'{"caption": "\xff"}'),
}


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT], ids=["pax", "gnu"])
@pytest.mark.parametrize("kind", MEMBERS)
def test_members(kind, form, tmp_path, monkeypatch):
    """A member that a shard must not hold is an error that names the shard"""
    if "petabyte" in kind and form == tarfile.GNU_FORMAT:
        pytest.skip("pax alone has this form")
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    shard = write(tmp_path / "s/000000.tar", [*GOOD, MEMBERS[kind]], form)
    with pytest.raises(UserError, match="000000.tar") as error:
        read_shards(shard.parent)
    assert len(str(error.value)) < 500
    assert not os.listdir(work)


def edited(content, offset, field):
    """A tar file in whose first header some bytes are others, with the right checksum."""
    header = bytearray(content[:512])
    header[offset : offset + len(field)] = field
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header) + content[512:]


BYTES = {
    "nothing": lambda tar: b"",
    "a text": lambda tar: b"rain\n" * 500,
    "cut in a header": lambda tar: tar[:300],
    "cut in sound": lambda tar: tar[:700],
    "cut before the end": lambda tar: tar[: 512 * 9],
    "a broken checksum": lambda tar: tar[:150] + b"9" + tar[151:],
    "compressed": gzip.compress,
    "a size beyond the end": lambda tar: edited(tar, 124, b"77777777777\0"),
    "a size below zero": lambda tar: edited(tar, 124, b"\xff" * 12),
    "a size without digits": lambda tar: edited(tar, 124, b"abc"),
}


@pytest.mark.parametrize("kind", BYTES)
def test_archives(kind, tmp_path):
    """What is no whole, plain tar file is an error that names it"""
    shard = write(tmp_path / "s/000000.tar", GOOD)
    shard.write_bytes(BYTES[kind](shard.read_bytes()))
    with pytest.raises(UserError, match="000000.tar"):
        read_shards(shard.parent)


@pytest.mark.parametrize("kind", ["folder", "pipe", "link to nothing"])
def test_no_file(kind, tmp_path):
    """A shard that is no file is an error and not waited for"""
    path = tmp_path / "000000.tar"
    {"folder": os.mkdir, "pipe": os.mkfifo, "link to nothing": lambda p: os.symlink("none", p)}[
        kind
    ](path)
    with pytest.raises(UserError, match="000000.tar"):
        read_shards(tmp_path)


NAMES = [
    "a b",
    "日本",
    "x\ny",
    "-rf",
    ".hidden/x",
    "a/b/c",
    "x" * 150,
    "caf\udce9",
    "con",
    "$(touch x)",
    "%2e%2e",
]


def test_names(tmp_path, monkeypatch):
    """Strange names make plain ids, and no file is called so"""
    monkeypatch.chdir(tmp_path)
    members = []
    for name in NAMES:
        members += [
            (f"{name}.flac", flac()),
            (f"{name}.json", json.dumps({"text": "rain"}).encode()),
        ]
    write(tmp_path / "c/train/000000.tar", members)
    prepare_corpus.main(
        ["webdataset", "--captions_dir", "c", "--audio_dir", "c", "--out_dir", "data"]
    )
    data = DataDir.read("data/webdataset_train")
    assert len(data.wav_scp) == len(NAMES)
    for audio_format in ("shards", "flac", "original"):
        arguments = ["--data_dir", "data/webdataset_train", "--out_dir", f"out/{audio_format}"]
        format_audio.main([*arguments, "--audio_format", audio_format])
        assert len(DataDir.read(f"out/{audio_format}").wav_scp) == len(NAMES)
    assert sorted(os.listdir(tmp_path)) == ["c", "data", "out"]


@pytest.mark.parametrize("kind", ["silence", "no sound", "nothing"])
def test_sound(kind, tmp_path, monkeypatch):
    """Sound that cannot be used is left out, and days of silence in kilobytes are not decoded to the end"""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(audio, "_MOST_SECONDS", 100)  # a test of seconds
    content = {"silence": flac(16000 * 200), "no sound": b"rain" * 100, "nothing": b""}[kind]
    assert len(content) < 50_000
    write(tmp_path / "c/train/000000.tar", [("bad.flac", content), ("bad.txt", b"x"), *GOOD])
    prepare_corpus.main(
        ["webdataset", "--captions_dir", "c", "--audio_dir", "c", "--out_dir", "data"]
    )
    arguments = [
        "--data_dir",
        "data/webdataset_train",
        "--out_dir",
        "out",
        "--skip_bad_audio",
        "true",
    ]
    format_audio.main([*arguments, "--audio_format", "shards"])
    assert list(DataDir.read("out").wav_scp) == ["webdataset_train_good"]
    assert "000000.tar:0: " in (tmp_path / "out/bad_audio.txt").read_text()
