"""Folders and file names"""

import os

import numpy as np
import pytest
import soundfile

from espnet_mlclap.utils.errors import UserError


def found_in(folder):
    """The recordings that are found below a folder, relative to it."""
    try:
        from espnet_mlclap.fileio.recordings import find_recordings
    except ImportError:  # an earlier version
        from espnet_mlclap.corpora.audio_index import audio_files

        return [os.path.relpath(path, folder) for path in audio_files(folder)]
    return [os.path.relpath(path, folder) for path in find_recordings(folder).files]


def record(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.zeros(160), 16000, format="WAV")
    return path


@pytest.mark.parametrize(
    "name", [".hidden.wav", "._a.wav", ".Trash-1000/a.wav", "__MACOSX/a.wav", ".git/x/a.wav"]
)
def test_hidden(tmp_path, name):
    """Hidden files, those of the system, of the trash: passed over."""
    record(tmp_path / name)
    record(tmp_path / "ok.wav")
    assert found_in(tmp_path) == ["ok.wav"]


@pytest.mark.parametrize(
    "targets", [[".."], ["..", "../a"], ["../.."], ["/"], ["b.wav", "./b.wav"]]
)
def test_links(tmp_path, targets):
    """Links to parents, to siblings, to the root: each file once, and an end."""
    record(tmp_path / "d/ok.wav")
    record(tmp_path / "d/a/b.wav")
    for number, target in enumerate(targets):
        suffix = ".wav" if target.endswith(".wav") else ""
        (tmp_path / f"d/a/link{number}{suffix}").symlink_to(target)
    assert sorted(found_in(tmp_path / "d")) == ["a/b.wav", "ok.wav"]


@pytest.mark.parametrize(
    "suffix", ["wav", "WAV", "aiff", "aif", "au", "caf", "w64", "wma", "m4a", "opus", "mp4"]
)
def test_formats(tmp_path, suffix):
    """Every format that is read is found, too."""
    record(tmp_path / f"x.{suffix}")
    assert found_in(tmp_path) == [f"x.{suffix}"]


@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_what_is_no_file(tmp_path, kind):
    """A pipe or a device that is called like a recording: passed over."""
    record(tmp_path / "ok.wav")
    if kind == "pipe":
        os.mkfifo(tmp_path / "x.wav")
    else:
        (tmp_path / "x.wav").symlink_to("/dev/zero")
    assert found_in(tmp_path) == ["ok.wav"]


@pytest.mark.parametrize(
    "name",
    [
        "../../out.wav",
        "/etc/hostname",
        "link.wav",
        "folder/out.wav",
        "a/../../../out.wav",
        "",
        ".",
        "..",
    ],
)
def test_names_that_lead_out(tmp_path, name):
    """file_name leads out of the corpus, by dots, a link or as an absolute path: an error with the line."""
    from espnet_mlclap.corpora.audio_folder import read_split

    record(tmp_path / "out.wav")
    record(tmp_path / "c/train/a/ok.wav")
    (tmp_path / "c/train/link.wav").symlink_to("../../out.wav")
    (tmp_path / "c/train/folder").symlink_to("../..")
    (tmp_path / "c/train/metadata.csv").write_text(f'file_name,caption\na/ok.wav,x\n"{name}",x\n')
    with pytest.raises(UserError, match=r"metadata\.csv:3"):
        read_split(tmp_path / "c/train")


TABLES = {
    "semicolons": ("file_name;caption\nok.wav;x\n", "semicolons"),
    "tabs": ("file_name\tcaption\nok.wav\tx\n", "tabs"),
    "a value over two lines": ("caption,file_name\na dog\nbarks,ok.wav\n", "over two lines"),
    "a comma without quotes": ("file_name,caption\nok.wav,rain, wind\n", "quotes"),
    "nameless columns": ("file_name,caption,,\nok.wav,x,,\n", None),
    "a column twice": ("file_name,caption,caption\nok.wav,x,y\n", "twice"),
    "UTF-16": ("file_name,caption\nok.wav,x\n".encode("utf-16"), "UTF-8"),
    "a caption called nan": ("file_name,caption\nok.wav,nan\n", None),
    "blanks around": ("file_name,caption\n ok.wav , x\n", None),
}


@pytest.mark.parametrize("kind", TABLES)
def test_tables(tmp_path, kind):
    """A table as spreadsheets and people write it: read, or the real cause named."""
    from espnet_mlclap.corpora.audio_folder import read_split

    record(tmp_path / "train/ok.wav")
    content, message = TABLES[kind]
    content = content if isinstance(content, bytes) else content.encode()
    (tmp_path / "train/metadata.csv").write_bytes(content)
    if message is None:
        assert len(read_split(tmp_path / "train").wav_scp) == 1
    else:
        with pytest.raises(UserError, match=message):
            read_split(tmp_path / "train")
