"""Shards read from front to back: from a file, and from a server that behaves or does not."""

import pytest

from espnet_mlclap.fileio import forward
from espnet_mlclap.fileio.forward import ForwardShard
from espnet_mlclap.fileio.tar_members import add_member, end_tar
from espnet_mlclap.utils.errors import UserError

CONTENTS = [bytes([number]) * (700 * number) for number in range(1, 30)]


@pytest.fixture
def shard(tmp_path):
    """Path, and where each member begins."""
    path = tmp_path / "a.tar"
    with path.open("wb") as file:
        offsets = [add_member(file, f"{len(one)}.flac", one) for one in CONTENTS]
        end_tar(file)
    return path, offsets


@pytest.fixture
def server(shard, http_server, monkeypatch):
    monkeypatch.setattr(forward, "_PAUSE", 0.0)
    http_server.files["/a.tar"] = shard[0].read_bytes()
    return http_server


def read(place, shard, numbers, size=None):
    offsets = [shard[1][number] for number in numbers]
    size = shard[0].stat().st_size if size is None else size
    with ForwardShard(str(place), size, offsets[0]) as file:
        return [file.member(offset)[1] for offset in offsets]


@pytest.mark.parametrize("numbers", [range(29), [5, 6, 7], [2, 11, 28], [28]])
def test_what_is_read_is_what_is_there(shard, server, numbers):
    expected = [CONTENTS[number] for number in numbers]
    assert read(shard[0], shard, numbers) == expected
    assert read(f"{server.address}/a.tar", shard, numbers) == expected
    assert server.requests == [("/a.tar", f"bytes={shard[1][numbers[0]]}-")]


@pytest.mark.parametrize(
    "trouble",
    [
        {"break_after": [10_000, 0, 1, 20_000, 0, 0, 0]},
        {"statuses": [503, 429]},
        {"ignore_range": True, "break_after": [100_000, 150_000]},
    ],
)
def test_trouble_that_passes_changes_nothing(shard, server, trouble):
    for name, value in trouble.items():
        setattr(server, name, value)
    assert read(f"{server.address}/a.tar", shard, range(3, 29)) == CONTENTS[3:]
    assert len(server.requests) > 1


@pytest.mark.parametrize(
    ("trouble", "message"),
    [
        ({"statuses": [503] * 9}, "cannot be read after 0 of .* bytes .*503"),
        ({"statuses": [403]}, "answered 403"),
        ({"break_after": [10_000] + [0] * 9}, r"cannot be read after .* of .* bytes"),
        ({"wrong_range": True}, "sends other bytes"),
        ({"added_length": 7}, r"has .* bytes, where the manifest says"),
    ],
)
def test_trouble_that_stays_is_named(shard, server, trouble, message):
    for name, value in trouble.items():
        setattr(server, name, value)
    with pytest.raises(UserError, match=f"{server.address}/a.tar: .*{message}"):
        read(f"{server.address}/a.tar", shard, range(29))


def test_another_file_behind_the_address_is_noticed(shard, server):
    server.break_after = [5000]
    with ForwardShard(f"{server.address}/a.tar", shard[0].stat().st_size) as file:
        file.member(shard[1][0])
        server.etag = '"2"'
        with pytest.raises(UserError, match="has been replaced"):
            file.member(shard[1][20])
    with pytest.raises(UserError, match="answered 404"):
        read(f"{server.address}/b.tar", shard, [0])


def test_files_that_are_not_those_of_the_manifest(shard, tmp_path):
    with pytest.raises(UserError, match=r"a.tar: has .* bytes, where the manifest says 5"):
        read(shard[0], shard, [0], size=5)
    with pytest.raises(UserError, match=r"b.tar: cannot be read"):
        read(tmp_path / "b.tar", shard, [0])
    with ForwardShard(str(shard[0]), shard[0].stat().st_size) as file:
        with pytest.raises(UserError, match=r"a.tar:512: no file of a tar archive begins here"):
            file.member(512)
        with pytest.raises(ValueError, match="comes before"):
            file.member(0)
