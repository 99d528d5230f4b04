"""Downloads from a server that breaks off, lies and sends wrong bytes."""

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections import namedtuple

import pytest

from espnet_mlclap.fileio.download import download, receipt_path
from espnet_mlclap.fileio.published import PublishedFile
from espnet_mlclap.utils.errors import UserError

WRONG = "0" * 64
CONTENT = bytes(hashlib.sha256(str(i).encode()).digest()[0] for i in range(300_000))
DIGEST = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def server(http_server, monkeypatch):
    """A server that has the file; no pauses between tries."""
    http_server.files["/weights.bin"] = CONTENT
    monkeypatch.setattr("espnet_mlclap.fileio.download._PAUSE", 0.0)
    return http_server


@pytest.fixture
def make_row(server):
    """Make a row of a table whose file lies on the server."""

    def make(size=None, sha256=DIGEST, source=None) -> PublishedFile:
        source = source or {"kind": "address", "url": f"{server.address}/weights.bin"}
        return PublishedFile("some_weights", "for tests", source, size, None, sha256, "CC0-1.0")

    return make


@pytest.fixture
def target(tmp_path):
    return tmp_path / "cache" / "weights.bin"


def content(server) -> bytes:
    return server.files["/weights.bin"]


def part_of(target):
    target = target
    return target.with_name(f".{target.name}.part")


def check_only_the_download_is_there(target) -> None:
    assert sorted(target.parent.iterdir()) == sorted([target, receipt_path(target)])


def test_whole_and_verified_with_a_receipt(server, make_row, target):
    row = make_row(size=300_000)
    path = download(row, target)
    assert path == target
    assert path.read_bytes() == content(server)
    receipt = json.loads(receipt_path(path).read_text())
    assert receipt["url"] == row.url
    assert receipt["size"] == 300_000
    assert receipt["sha256"] == row.sha256
    assert receipt["licence"] == "CC0-1.0"
    check_only_the_download_is_there(target)
    download(row, target)
    assert len(server.requests) == 1, "what is there is verified, not fetched again"


def test_goes_on_where_it_broke_off(server, make_row, target):
    server.break_after = [100_000, 50_000, 0, 1]
    row = make_row()
    assert download(row, target).read_bytes() == content(server)
    ranges = [wanted for _, wanted in server.requests]
    assert ranges == [None, *(f"bytes={n}-" for n in (100_000, 150_000, 150_000, 150_001))]
    check_only_the_download_is_there(target)


def test_goes_on_in_the_next_run(server, make_row, target):
    row = make_row()
    server.break_after = [123_456] + [0] * 20
    with pytest.raises(UserError, match="123,456 bytes are kept.*Without a network"):
        download(row, target)
    assert not target.exists()
    assert part_of(target).stat().st_size == 123_456
    server.break_after, server.requests = [], []
    assert download(row, target).read_bytes() == content(server)
    assert server.requests == [("/weights.bin", "bytes=123456-")]


def test_killed_between_the_last_byte_and_the_rename(server, make_row, target):
    for row in (make_row(size=300_000), make_row(sha256=None)):
        shutil.rmtree(target.parent, ignore_errors=True)
        part_of(target).parent.mkdir(parents=True)
        part_of(target).write_bytes(content(server))
        assert download(row, target).read_bytes() == content(server)
    assert server.requests == [("/weights.bin", "bytes=300000-")], "nothing is sent again"


def test_a_server_that_ignores_ranges_sends_all_again(server, make_row, target):
    server.ignore_range = True
    server.break_after = [100_000]
    assert download(make_row(), target).read_bytes() == content(server)


def test_another_version_is_not_mixed_with_the_first(server, make_row, target):
    row = make_row(sha256=None)
    server.break_after = [100_000] + [0] * 20
    with pytest.raises(UserError):
        download(row, target)
    server.files["/weights.bin"] = content(server)[::-1]
    server.etag, server.break_after = '"2"', []
    assert download(row, target).read_bytes() == content(server)


def test_a_bad_part_without_an_etag_is_fetched_again(server, make_row, target):
    server.etag = ""
    row = make_row()
    part_of(target).parent.mkdir(parents=True)
    part_of(target).write_bytes(b"x" * 1000)
    assert download(row, target).read_bytes() == content(server)
    assert [wanted for _, wanted in server.requests] == ["bytes=1000-", None]


def test_a_part_longer_than_the_file_is_fetched_again(server, make_row, target):
    row = make_row(size=300_000)
    part_of(target).parent.mkdir(parents=True)
    part_of(target).write_bytes(b"x" * 400_000)
    assert download(row, target).read_bytes() == content(server)


def test_wrong_bytes_are_refused_and_deleted(server, make_row, target):
    row = make_row(sha256=WRONG)
    with pytest.raises(UserError, match=f"not the published file: its sha256 is .*{WRONG}"):
        download(row, target)
    assert list(target.parent.glob("*")) == []


def test_too_long_a_length_is_refused_or_given_up(server, make_row, target):
    server.added_length = 1000
    with pytest.raises(UserError, match="would send 301,000 bytes .* states 300,000"):
        download(make_row(size=300_000), target)
    row = make_row(sha256=None)
    with pytest.raises(UserError, match="does not deliver .* 5 times in a row"):
        download(row, target)
    assert not target.exists()


def test_too_short_a_length_is_refused(server, make_row, target):
    server.added_length = -1000
    with pytest.raises(UserError, match="would send 299,000 bytes .* states 300,000"):
        download(make_row(size=300_000), target)
    row = make_row()
    with pytest.raises(UserError, match="not the published file"):
        download(row, target)
    assert not target.exists()


def test_the_wrong_range_is_not_appended(server, make_row, target):
    server.break_after = [100_000]
    server.wrong_range = True
    row = make_row()
    assert download(row, target).read_bytes() == content(server)
    assert [wanted for _, wanted in server.requests] == [None, "bytes=100000-", None]


def test_passing_troubles_are_tried_again_and_lasting_ones_are_not(server, make_row, target):
    server.statuses = [503, 429, 500]
    download(make_row(), target)
    server.statuses = [404]
    row = make_row(sha256=None, source={"kind": "address", "url": server.address + "/x"})
    with pytest.raises(UserError, match="answered 404"):
        download(row, target.with_name("other"))
    assert len(server.requests) == 5


def test_without_a_network_the_error_says_what_to_fetch_and_where_to_put_it(make_row, target):
    row = make_row(
        source={"kind": "address", "url": "http://127.0.0.1:9/weights.bin"}, size=300_000
    )
    with pytest.raises(UserError) as error:
        download(row, target)
    message = str(error.value)
    for part in (
        "cannot be reached",
        "fetch http://127.0.0.1:9/weights.bin (300,000 bytes, licence CC0-1.0",
        f"sha256 {row.sha256}",
        f"put it at {target}",
    ):
        assert part in message


def test_a_damaged_file_in_the_cache_is_an_error(server, make_row, target):
    row = make_row()
    path = download(row, target)
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    with pytest.raises(UserError, match="its sha256 is .* Delete it"):
        download(row, target)


def test_no_room(make_row, monkeypatch, target):
    usage = namedtuple("usage", "free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(1000))
    with pytest.raises(UserError, match="300,000 bytes are needed and 1,000 free"):
        download(make_row(), target)


def test_two_processes_do_not_write_the_same_file(make_row, target):
    row = make_row()
    part_of(target).parent.mkdir(parents=True)
    with part_of(target).open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(UserError, match="another process"):
            download(row, target)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_unwritable_cache(make_row, tmp_path, target):
    (tmp_path / "cache").mkdir(mode=0o500)
    with pytest.raises(UserError, match="cache"):
        download(make_row(), target)


def zenodo_record(body: bytes, **changes) -> dict:
    checksum = "md5:" + hashlib.md5(body).hexdigest()
    entry = {"key": "weights.bin", "size": len(body), "checksum": checksum, **changes}
    return {"metadata": {"license": {"id": "cc-by-4.0"}}, "files": [entry]}


def on_zenodo(server, make_row, **changes):
    server.files["/records/12/files/weights.bin"] = content(server)
    server.json["/api/records/12"] = zenodo_record(content(server), **changes)
    source = {"kind": "zenodo", "host": server.address, "record": 12, "path": "weights.bin"}
    return make_row(sha256=None, source=source)


def test_zenodo_states_size_and_md5(server, make_row, target):
    row = on_zenodo(server, make_row)
    path = download(row, target)
    md5 = hashlib.md5(content(server)).hexdigest()
    assert json.loads(receipt_path(path).read_text())["verified"] == f"md5 {md5}"


def test_bytes_that_zenodo_does_not_state_are_refused(server, make_row, target):
    row = on_zenodo(server, make_row)
    server.files["/records/12/files/weights.bin"] = bytes(300_000)
    with pytest.raises(UserError, match="not the published file: its md5"):
        download(row, target)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"key": "other.bin"}, "has no file weights.bin; it has other.bin"),
        ({"checksum": "md5:1234"}, "not understood.*not a checksum"),
        ({"checksum": "crc:12345678"}, "not understood"),
        ({"checksum": None}, "not understood"),
        ({"size": 100_000}, "would send 300,000 bytes .* states 100,000"),
    ],
)
def test_what_zenodo_must_state(server, make_row, changes, message, target):
    row = on_zenodo(server, make_row, **changes)
    with pytest.raises(UserError, match=message):
        download(row, target)
    assert not target.exists()


COMMIT = "a" * 40


def on_hub(server, make_row, etag=DIGEST, revision=COMMIT):
    """A repository of the hub with one large file, as its server answers."""
    path = f"/owner/model/resolve/{revision}/sub/weights.bin"
    server.files[path], server.etags[path] = content(server), f'"{etag}"'
    server.headers = {"X-Repo-Commit": COMMIT}
    source = {"repository": "owner/model", "revision": revision, "path": "sub/weights.bin"}
    return make_row(sha256=None, source={"kind": "hub", "host": server.address, **source})


@pytest.mark.parametrize("revision", [COMMIT, "main"])
def test_the_hub_states_size_and_sha256(server, make_row, target, revision):
    row = on_hub(server, make_row, revision=revision)
    assert download(row, target).read_bytes() == content(server)
    receipt = json.loads(receipt_path(target).read_text())
    assert receipt["verified"] == f"sha256 {DIGEST}"
    check_only_the_download_is_there(target)


def test_a_download_from_the_hub_goes_on_in_the_next_run(server, make_row, target):
    piece = 10 * 1024 * 1024  # bytes that the hub's library writes at a time
    server.files["/weights.bin"] = bytes(piece) + CONTENT
    row = on_hub(server, make_row, etag=hashlib.sha256(content(server)).hexdigest())
    server.break_after = [piece + 1000]
    with pytest.raises(
        UserError, match="does not deliver.*continues from there. Without a network"
    ):
        download(row, target)
    assert not target.exists()
    server.requests = []
    assert download(row, target).read_bytes() == content(server)
    assert [wanted for _, wanted in server.requests if wanted] == [f"bytes={piece}-"]
    check_only_the_download_is_there(target)


def test_bytes_that_the_hub_does_not_state_are_refused(server, make_row, target):
    row = on_hub(server, make_row, etag=WRONG)
    with pytest.raises(UserError, match="not the published file: its sha256"):
        download(row, target)
    assert not target.exists()
    assert not list(target.parent.rglob("weights.bin"))


def test_what_the_hub_must_state(server, make_row, target):
    for etag in ("1234", f"{DIGEST[:-2]}-3"):
        with pytest.raises(UserError, match="states no length and sha256"):
            download(on_hub(server, make_row, etag=etag), target)
    row = on_hub(server, make_row)
    server.files.clear()
    with pytest.raises(UserError, match="some_weights: http.*/sub/weights.bin: answered 404. See"):
        download(row, target)


def test_the_hub_may_be_a_mirror(server, target):
    """HF_ENDPOINT is read when the library is imported: a process of its own."""
    path = f"/owner/model/resolve/{COMMIT}/weights.bin"
    server.files[path], server.etags[path] = CONTENT, f'"{DIGEST}"'
    server.headers = {"X-Repo-Commit": COMMIT}
    code = (
        "import sys; from pathlib import Path\n"
        "from espnet_mlclap.fileio.download import download\n"
        "from espnet_mlclap.fileio.published import PublishedFile\n"
        f"source = dict(kind='hub', repository='owner/model', revision='{COMMIT}', path='weights.bin')\n"
        "row = PublishedFile('some_weights', '', source, None, None, None, None)\n"
        "download(row, Path(sys.argv[1]))\n"
    )
    environment = {**os.environ, "HF_ENDPOINT": server.address}
    subprocess.run([sys.executable, "-c", code, str(target)], check=True, env=environment)
    assert target.read_bytes() == CONTENT


def test_an_interface_that_is_down_or_talks_nonsense(server, make_row, target):
    row = on_zenodo(server, make_row)
    server.statuses = [503]
    with pytest.raises(UserError, match="answered 503 .* Try again later"):
        download(row, target)
    server.json.clear()
    server.files["/api/records/12"] = b"<html>sign in first</html>"
    with pytest.raises(UserError, match="not understood"):
        download(row, target)
