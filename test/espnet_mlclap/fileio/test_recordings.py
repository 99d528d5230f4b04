"""Which files below a folder are recordings: hidden ones, links, loops, pipes, names of all kinds."""

import os
import unicodedata

import pytest

from espnet_mlclap.fileio.recordings import file_inside, find_recordings
from espnet_mlclap.utils.errors import UserError


def touch(*paths):
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def found(folder, **options):
    return [os.path.relpath(path, folder) for path in find_recordings(folder, **options).files]


def test_hidden_files_and_those_of_systems_are_passed_over(tmp_path):
    touch(tmp_path / "a.wav", tmp_path / "B.WAV", tmp_path / "notes.txt", tmp_path / "._a.wav")
    touch(
        tmp_path / ".Trash-1000/gone.wav",
        tmp_path / "__MACOSX/._a.wav",
        tmp_path / "__MACOSX/a.wav",
    )
    recordings = find_recordings(tmp_path)
    assert [os.path.basename(path) for path in recordings.files] == ["B.WAV", "a.wav"]
    assert recordings.passed_over == {"hidden": 3, "not audio by their names": 1}
    assert recordings.notes() == ["passed over: 3 hidden, 1 not audio by their names"]


def test_a_hidden_folder_that_is_given_is_looked_at(tmp_path):
    touch(tmp_path / ".mine/a.wav")
    assert found(tmp_path / ".mine") == ["a.wav"]


def test_each_file_once_whatever_the_links(tmp_path):
    touch(tmp_path / "d/a/b.wav", tmp_path / "d/ok.wav", tmp_path / "elsewhere/far.wav")
    (tmp_path / "d/a/up").symlink_to("..")
    (tmp_path / "d/a/self").symlink_to("../a")
    (tmp_path / "d/a/around").symlink_to(tmp_path)
    (tmp_path / "d/0").symlink_to("a")  # comes before its target
    (tmp_path / "d/0.wav").symlink_to("ok.wav")
    (tmp_path / "d/far").symlink_to(tmp_path / "elsewhere")
    os.link(tmp_path / "d/ok.wav", tmp_path / "d/zz.wav")
    assert found(tmp_path / "d") == ["ok.wav", "a/b.wav", "far/far.wav"]
    assert found(tmp_path / "d", each_once=False) == [
        "0.wav", "ok.wav", "zz.wav", "a/b.wav", "far/far.wav",
    ]  # fmt: skip


def test_links_to_nowhere_stay_and_what_is_no_file_does_not(tmp_path):
    (tmp_path / "gone.wav").symlink_to(tmp_path / "nowhere.wav")
    (tmp_path / "loop.wav").symlink_to(tmp_path / "loop.wav")
    (tmp_path / "null.wav").symlink_to(os.devnull)
    os.mkfifo(tmp_path / "pipe.wav")
    recordings = find_recordings(tmp_path)
    assert [os.path.basename(path) for path in recordings.files] == ["gone.wav", "loop.wav"]
    assert recordings.passed_over == {"no regular files": 2}


def test_names_that_are_not_utf8(tmp_path):
    with open(os.path.join(os.fsencode(tmp_path), b"caf\xe9.wav"), "wb"):
        pass
    (path,) = find_recordings(tmp_path).files
    assert os.path.exists(path)


@pytest.fixture
def nobody():
    """This process without the rights of root, for whom nothing is unreadable."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(65534)
    yield
    os.seteuid(before)


def test_folders_that_may_not_be_read_are_counted_and_named(tmp_path, request):
    touch(tmp_path / "d/a.wav", tmp_path / "d/secret/b.wav")
    (tmp_path / "d/secret").chmod(0)
    for folder in (tmp_path, *tmp_path.parents[:3]):
        if folder.stat().st_mode & 0o077 == 0:  # pytest's own, deeper with several workers
            folder.chmod(0o755)
    request.getfixturevalue("nobody")
    recordings = find_recordings(tmp_path / "d")
    assert len(recordings.files) == 1
    assert recordings.notes() == [f"1 folders may not be read: {tmp_path}/d/secret"]
    with pytest.raises(UserError, match="secret: may not be read"):
        find_recordings(tmp_path / "d/secret")


def test_no_folder(tmp_path):
    touch(tmp_path / "a.wav")
    for name in ("nowhere", "a.wav", "new\nline"):
        with pytest.raises(UserError, match="no such folder") as error:
            find_recordings(tmp_path / name)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_unicode_forms_meet(tmp_path, form):
    on_disk = unicodedata.normalize("NFD" if form == "NFC" else "NFC", "Café/Été.wav")
    touch(tmp_path / "c/train" / on_disk)
    name = unicodedata.normalize(form, "Café/Été.wav")
    assert file_inside(tmp_path / "c/train", name, tmp_path / "c").is_file()


def test_a_name_stays_inside(tmp_path):
    corpus = tmp_path / "c"
    touch(corpus / "train/a.wav", corpus / "audio/b.wav", tmp_path / "out/x.wav")
    (corpus / "train/link").symlink_to(tmp_path / "out")
    (corpus / "train/x.wav").symlink_to(tmp_path / "out/x.wav")
    for name in ("a.wav", "../audio/b.wav", "../train/./a.wav", "absent.wav", "n" * 5000):
        file_inside(corpus / "train", name, corpus)
    for name, why in {
        "../../out/x.wav": "leads out of",
        "/etc/hostname": "absolute path",
        "link/x.wav": "leads by a link out of",
        "x.wav": "leads by a link out of",
        " ": "no file name",
        "a\0.wav": "no file name",
    }.items():
        with pytest.raises(UserError, match=why):
            file_inside(corpus / "train", name, corpus)


def test_a_split_that_is_a_link_itself(tmp_path):
    touch(tmp_path / "disk/train/a.wav")
    (tmp_path / "c").mkdir()
    (tmp_path / "c/train").symlink_to(tmp_path / "disk/train")
    assert file_inside(tmp_path / "c/train", "a.wav", tmp_path / "c").is_file()
