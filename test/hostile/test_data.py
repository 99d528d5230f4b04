"""Data directories and archives"""

import os
import pickle
import struct

import numpy as np
import pytest
import soundfile

from espnet_mlclap import MLCLAP
from espnet_mlclap.bin import format_audio
from espnet_mlclap.fileio.data_dir import Caption, DataDir
from espnet_mlclap.utils.errors import UserError

COMMANDS = [
    "touch {ran} |",
    "touch {ran} |:0",
    "| touch {ran}",
    "| touch {ran} :0",
    "touch {ran} |:0[0:1]",
]


class Exploit:
    """Makes a folder when it is unpickled."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return (os.mkdir, (self.path,))


@pytest.fixture(scope="module")
def model(small_model):
    return MLCLAP.from_pretrained(small_model)


@pytest.fixture
def data_dir(tmp_path):
    """Write a set of one clip that is at `location`."""

    def make(location):
        path = tmp_path / "data"
        data = DataDir(
            wav_scp={"clip": location},
            durations={"clip": 1.0},
            captions={"clip-eng_Latn-1": Caption("a dog", "clip", "eng_Latn")},
            extra={"utt2num_samples": {"clip": "16000"}},
        )
        data.write(path)
        return path

    return make


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("way", ["path", "string"])
def test_a_command_for_a_clip(model, tmp_path, command, way):
    """A command in place of a clip in Python (`touch X |:0`): an error, nothing runs."""
    clip = command.format(ran=tmp_path / "ran")
    if way == "path":
        from pathlib import Path

        clip = Path(clip)
    with pytest.raises(UserError):
        model.encode_audio(clip)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("audio_format", ["flac", "original", "log_mel.ark"])
def test_a_command_in_wav_scp(data_dir, tmp_path, command, audio_format):
    """A command in wav.scp, formatted (stage 3): an error, nothing runs."""
    path = data_dir(command.format(ran=tmp_path / "ran"))
    with pytest.raises(SystemExit):
        format_audio.main(
            [
                "--data_dir",
                str(path),
                "--out_dir",
                str(tmp_path / "out"),
                "--audio_format",
                audio_format,
            ]
        )
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_in_a_formatted_set(data_dir, small_model, tmp_path, command):
    """A command in wav.scp of a formatted set, embedded (stage 6): an error, nothing runs."""
    from espnet_mlclap.bin import embed

    path = data_dir(command.format(ran=tmp_path / "ran"))
    with pytest.raises(SystemExit):
        embed.main(
            [
                "--data_dir",
                str(path),
                "--model_dir",
                str(small_model),
                "--out_dir",
                str(tmp_path / "out"),
            ]
        )
    assert not (tmp_path / "ran").exists()


def ark(kind, ran):
    """The content of an archive that is not what stage 3 writes."""
    numpy_file = struct.pack("<B", 2) + struct.pack("<H", 60000)
    return {
        "pickle": b"PKL" + pickle.dumps(Exploit(ran)),
        "numpy": b"NPY" + numpy_file + b"\x93NUMPY\x01\x00",
        "words": b"hello there, no archive",
        "numbers": b" [ 1 2 3 ]\n",
        "nothing": b"",
        "audio of no length": b"AUDIO",
        "audio longer than the file": b"AUDIO" + struct.pack("<B", 5) + b"\xff" * 5 + b"fLaC",
        "audio that is none": b"AUDIO" + struct.pack("<B", 1) + b"\x10" + b"no audio at all!",
        "a matrix larger than the file": b"\0BFM " + struct.pack("<bibi", 4, 2**30, 4, 2**30),
        "a matrix of negative size": b"\0BFM " + struct.pack("<bibi", 4, -1, 4, 64),
        "a matrix without its sizes": b"\0BFM \4",
        "a matrix of NaN": b"\0BFM " + struct.pack("<bibi", 4, 50, 4, 64)
        + np.full(3200, np.nan, "<f4").tobytes(),
    }[kind]  # fmt: skip


@pytest.mark.parametrize(
    "kind",
    ["pickle", "numpy", "words", "numbers", "nothing", "audio of no length", "audio longer than the file",
     "audio that is none", "a matrix larger than the file", "a matrix of negative size",
     "a matrix without its sizes", "a matrix of NaN"],
)  # fmt: skip
def test_other_archives(model, tmp_path, kind):
    """An archive that begins with PKL, NPY, words, or lies about its sizes: refused, nothing runs."""
    path = tmp_path / "audio.ark"
    path.write_bytes(ark(kind, tmp_path / "ran"))
    with pytest.raises(UserError):
        model.encode_audio(f"{path}:0")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("offset", ["99999999999", "-3", "1e3", "٣", "0x0", ""])
def test_other_offsets(model, tmp_path, offset):
    """An offset beyond the archive, a negative one, one that is no number: refused."""
    (tmp_path / "audio.ark").write_bytes(b"AUDIO")
    with pytest.raises(UserError):
        model.encode_audio(f"{tmp_path / 'audio.ark'}:{offset}")


@pytest.mark.parametrize("suffix", ["", ":0"])
@pytest.mark.parametrize("kind", ["pipe", "/dev/zero", "folder", "link to itself", "nothing"])
def test_no_regular_file(model, tmp_path, kind, suffix):
    """A pipe, a device, a folder, a link to itself in place of a clip or an archive: refused at once."""
    path = tmp_path / "x"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "link to itself":
        path.symlink_to(path)
    elif kind == "/dev/zero":
        path.symlink_to(kind)
    with pytest.raises(UserError):
        model.encode_audio(f"{path}{suffix}")


@pytest.mark.parametrize(
    ("table", "value"),
    [("utt2num_samples", "-5"), ("utt2num_samples", "1.5"), ("utt2num_samples", "many"),
     ("utt2num_samples", "1" * 5000), ("clip2dur", "nan"), ("clip2dur", "-1"), ("clip2dur", "inf"),
     ("utt2lang", "xyz_Latn"), ("utt2lang", "eng_Latn deu_Latn"), ("utt2clip", "other"),
     ("text", "a\0b"), ("wav.scp", "a\0b"), ("text", "\ud800".encode("utf-8", "surrogatepass")),
     ("text", b"caf\xe9")],
)  # fmt: skip
def test_values_that_cannot_be(data_dir, table, value):
    """Impossible values in the tables of a data directory: an error with file and line."""
    path = data_dir("clip.wav")
    key = (path / table).read_text().split(" ")[0]
    value = value.encode() if isinstance(value, str) else value
    (path / table).write_bytes(key.encode() + b" " + value + b"\n")
    with pytest.raises(UserError, match=f"{table}:1|utt2clip:1"):
        DataDir.read(path)


@pytest.mark.parametrize(
    "name",
    [
        "a\x1b[2J\x1b]0;title\x07.wav",
        "a\x9b2J.wav",
        "a\u202e.wav",
        os.fsdecode(b"caf\xe9.wav"),
        "a\x00",
    ],
)
@pytest.mark.parametrize("skip", ["true", "false"])
def test_names_that_write_to_the_terminal(data_dir, tmp_path, capsys, name, skip):
    """Terminal codes, text that runs backwards, bytes that are not UTF-8 in names: shown escaped."""
    (tmp_path / "good.wav").write_bytes(b"")
    path = data_dir("x.wav")
    (path / "wav.scp").write_bytes(os.fsencode(f"clip {tmp_path / name}\n"))
    options = [
        "--data_dir",
        str(path),
        "--out_dir",
        str(tmp_path / "out"),
        "--skip_bad_audio",
        skip,
    ]
    with pytest.raises(SystemExit):
        format_audio.main(options)
    printed = capsys.readouterr().err
    assert "mlclap format_audio: error: " in printed
    assert not set(printed) & set("\x1b\x07\x9b\u202e\x00")


@pytest.mark.parametrize("name", [
    "data_clip_missing", "data_dup", "data_latin1", "data_no_text", "data_no_utt2lang", "data_no_wav.scp",
    "data_samples_neg", "data_tab", "data_wav_devzero", "data_wav_negoffset", "data_zero_clip2dur",
    "data_zero_utt2clip", "data_zero_utt2num_samples",
])  # fmt: skip
def test_hand_edited(shared_dir, small_model, tmp_path, name, capsys):
    """Hand-edited data directories that were collected, embedded: one line of error each."""
    from espnet_mlclap.bin import embed

    folder = shared_dir / "data/hostile" / name
    with pytest.raises(SystemExit):
        embed.main(
            [
                "--data_dir",
                str(folder),
                "--model_dir",
                str(small_model),
                "--out_dir",
                str(tmp_path / "out"),
            ]
        )
    assert "mlclap embed: error: " in capsys.readouterr().err


@pytest.mark.parametrize(
    "inside",
    [
        "../secret.wav",
        "{tmp}/secret.wav",
        "link.wav",
        "folder/secret.wav",
        "../train/../../secret.wav",
    ],
)
def test_file_names_that_lead_outside(tmp_path, inside):
    """`file_name` of an AudioFolder that leads out (`..`, absolute, links): an error with the line."""
    from espnet_mlclap.corpora.audio_folder import prepare_audio_folder

    corpus = tmp_path / "corpus"
    soundfile.write(tmp_path / "secret.wav", np.zeros(1600), 16000)
    for split in ("train", "test"):
        (corpus / split).mkdir(parents=True)
        soundfile.write(corpus / split / "a.wav", np.zeros(1600), 16000)
        (corpus / split / "metadata.csv").write_text("file_name,caption\na.wav,A dog barks.\n")
    (corpus / "test/link.wav").symlink_to(tmp_path / "secret.wav")
    (corpus / "test/folder").symlink_to(tmp_path)
    with (corpus / "test/metadata.csv").open("a") as file:
        file.write(f"{inside.format(tmp=tmp_path)},A secret.\n")
    with pytest.raises(UserError, match="metadata.csv:3: .*corpus"):
        prepare_audio_folder(corpus, tmp_path / "data")
