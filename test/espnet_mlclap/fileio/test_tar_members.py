"""Members of tar files, against Python's own `tarfile`."""

import io
import tarfile
from pathlib import Path

import pytest

from espnet_mlclap.fileio.tar_members import (
    add_member,
    end_tar,
    file_of,
    member_as_file,
    member_key,
    read_member,
    tar_location,
)
from espnet_mlclap.utils.errors import UserError

CONTENTS = {"a.flac": b"x" * 700, "a.json": b"{}", "b.flac": b"", "b.json": b"y" * 512}


@pytest.fixture
def archive(tmp_path):
    path = tmp_path / "a.tar"
    with path.open("wb") as file:
        offsets = {name: add_member(file, name, content) for name, content in CONTENTS.items()}
        end_tar(file)
    return str(path), offsets


def test_other_programs_read_what_is_written(archive):
    with tarfile.open(archive[0]) as tar:
        members = {member.name: tar.extractfile(member).read() for member in tar}
        assert {member.name: member.offset_data - 512 for member in tar} == archive[1]
    assert members == CONTENTS
    assert Path(archive[0]).stat().st_size % tarfile.RECORDSIZE == 0


def test_members_are_found_by_their_places(archive):
    path, offsets = archive
    for name, content in CONTENTS.items():
        assert read_member(path, offsets[name]) == (name, content)
        with member_as_file(path, offsets[name]) as copy:
            assert copy.read_bytes() == content
        assert not copy.exists()


def test_a_key_is_plain_and_each_clip_has_another():
    clips = [
        "rain",
        "a/b.c",
        "a%2Fb.c",
        "../../etc/passwd",
        ".x",
        "日本",
        "a b",
        "x" * 300,
        "x" * 301,
    ]
    keys = [member_key(clip) for clip in clips]
    assert len(set(keys)) == len(keys)
    for key in keys:
        assert key.isascii()
        assert not set(key) & set("./ ")
        assert len(key) <= 84
    assert keys[0] == "rain"


def test_places(tmp_path):
    assert tar_location("x/a.tar:512") == ("x/a.tar", 512)
    assert file_of("x/a.tar:512") == "x/a.tar"
    for other in ("x/a.tar", "a.ark:5", "a.tar:x", "a.tar:٣", "a.tar:" + "9" * 30):
        assert tar_location(other) is None
        assert file_of(other) == other
    (tmp_path / "a.tar:7").write_bytes(b"")  # a recording of that name
    assert tar_location(tmp_path / "a.tar:7") is None


def test_what_is_no_plain_member_is_named(archive, tmp_path):
    path, offsets = archive
    for offset, problem in (
        (offsets["a.flac"] + 512, "no file of a tar archive begins here"),
        (10**9, "the archive ends before"),
        (offsets["b.json"] + 1024, "no file of a tar archive begins here"),
    ):
        with pytest.raises(UserError, match=problem) as error:
            read_member(path, offset)
        assert f"a.tar:{offset}" in str(error.value)
    whole = Path(path).read_bytes()
    cut = tmp_path / "cut.tar"
    cut.write_bytes(whole[: offsets["b.json"] + 600])
    with pytest.raises(UserError, match=r"cut.tar:\d+: cut off, b.json should have 512 bytes"):
        read_member(str(cut), offsets["b.json"])
    link = io.BytesIO()
    with tarfile.open(fileobj=link, mode="w") as tar:
        info = tarfile.TarInfo("x.flac")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(info)
    cut.write_bytes(link.getvalue())
    with pytest.raises(UserError, match="x.flac is no plain file"):
        read_member(str(cut), 0)
    with pytest.raises(UserError, match="cannot be read"):
        read_member(str(tmp_path / "none.tar"), 0)
