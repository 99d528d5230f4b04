"""Downloads from a server that breaks off, lies and sends wrong bytes."""

import fcntl
import hashlib
import json
import os
import shutil
from collections import namedtuple

import pytest

from espnet_mlclap.checkpoints.download import download, receipt_path
from espnet_mlclap.checkpoints.table import cached_path, resolve
from espnet_mlclap.utils.errors import UserError

WRONG = "0" * 64


def content(server) -> bytes:
    return server.files["/weights.bin"]


def part_of(weights):
    target = cached_path(weights)
    return target.with_name(f".{target.name}.part")


def check_only_the_download_is_there(weights) -> None:
    target = cached_path(weights)
    assert sorted(target.parent.iterdir()) == sorted([target, receipt_path(target)])


def test_whole_and_verified_with_a_receipt(server, make_weights):
    weights = make_weights(size=300_000)
    path = download(weights)
    assert path == cached_path(weights)
    assert path.read_bytes() == content(server)
    receipt = json.loads(receipt_path(path).read_text())
    assert receipt["url"] == weights.url
    assert receipt["size"] == 300_000
    assert receipt["sha256"] == weights.sha256
    assert receipt["licence"] == "CC0-1.0"
    check_only_the_download_is_there(weights)
    download(weights)
    assert len(server.requests) == 1, "what is there is verified, not fetched again"


def test_goes_on_where_it_broke_off(server, make_weights):
    server.break_after = [100_000, 50_000, 0, 1]
    weights = make_weights()
    assert download(weights).read_bytes() == content(server)
    ranges = [wanted for _, wanted in server.requests]
    assert ranges == [None, *(f"bytes={n}-" for n in (100_000, 150_000, 150_000, 150_001))]
    check_only_the_download_is_there(weights)


def test_goes_on_in_the_next_run(server, make_weights):
    weights = make_weights()
    server.break_after = [123_456] + [0] * 20
    with pytest.raises(UserError, match="123,456 bytes are kept.*Without a network"):
        download(weights)
    assert not cached_path(weights).exists()
    assert part_of(weights).stat().st_size == 123_456
    server.break_after, server.requests = [], []
    assert download(weights).read_bytes() == content(server)
    assert server.requests == [("/weights.bin", "bytes=123456-")]


def test_killed_between_the_last_byte_and_the_rename(server, make_weights):
    for weights in (make_weights(size=300_000), make_weights(sha256=None)):
        shutil.rmtree(cached_path(weights).parent, ignore_errors=True)
        part_of(weights).parent.mkdir(parents=True)
        part_of(weights).write_bytes(content(server))
        assert download(weights).read_bytes() == content(server)
    assert server.requests == [("/weights.bin", "bytes=300000-")], "nothing is sent again"


def test_a_server_that_ignores_ranges_sends_all_again(server, make_weights):
    server.ignore_range = True
    server.break_after = [100_000]
    assert download(make_weights()).read_bytes() == content(server)


def test_another_version_is_not_mixed_with_the_first(server, make_weights):
    weights = make_weights(sha256=None)
    server.break_after = [100_000] + [0] * 20
    with pytest.raises(UserError):
        download(weights)
    server.files["/weights.bin"] = content(server)[::-1]
    server.etag, server.break_after = '"2"', []
    assert download(weights).read_bytes() == content(server)


def test_a_bad_part_without_an_etag_is_fetched_again(server, make_weights):
    server.etag = ""
    weights = make_weights()
    part_of(weights).parent.mkdir(parents=True)
    part_of(weights).write_bytes(b"x" * 1000)
    assert download(weights).read_bytes() == content(server)
    assert [wanted for _, wanted in server.requests] == ["bytes=1000-", None]


def test_a_part_longer_than_the_file_is_fetched_again(server, make_weights):
    weights = make_weights(size=300_000)
    part_of(weights).parent.mkdir(parents=True)
    part_of(weights).write_bytes(b"x" * 400_000)
    assert download(weights).read_bytes() == content(server)


def test_wrong_bytes_are_refused_and_deleted(server, make_weights):
    weights = make_weights(sha256=WRONG)
    with pytest.raises(UserError, match=f"not the published file: its sha256 is .*{WRONG}"):
        download(weights)
    assert list(cached_path(weights).parent.glob("*")) == []


def test_too_long_a_length_is_refused_or_given_up(server, make_weights):
    server.added_length = 1000
    with pytest.raises(UserError, match="would send 301,000 bytes .* states 300,000"):
        download(make_weights(size=300_000))
    weights = make_weights(sha256=None)
    with pytest.raises(UserError, match="does not deliver .* 5 times in a row"):
        download(weights)
    assert not cached_path(weights).exists()


def test_too_short_a_length_is_refused(server, make_weights):
    server.added_length = -1000
    with pytest.raises(UserError, match="would send 299,000 bytes .* states 300,000"):
        download(make_weights(size=300_000))
    weights = make_weights()
    with pytest.raises(UserError, match="not the published file"):
        download(weights)
    assert not cached_path(weights).exists()


def test_the_wrong_range_is_not_appended(server, make_weights):
    server.break_after = [100_000]
    server.wrong_range = True
    weights = make_weights()
    assert download(weights).read_bytes() == content(server)
    assert [wanted for _, wanted in server.requests] == [None, "bytes=100000-", None]


def test_passing_troubles_are_tried_again_and_lasting_ones_are_not(server, make_weights):
    server.statuses = [503, 429, 500]
    download(make_weights())
    server.statuses = [404]
    weights = make_weights(sha256=None, source={"kind": "address", "url": server.address + "/x"})
    with pytest.raises(UserError, match="answered 404"):
        download(weights)
    assert len(server.requests) == 5


def test_without_a_network_the_error_says_what_to_fetch_and_where_to_put_it(make_weights):
    weights = make_weights(
        source={"kind": "address", "url": "http://127.0.0.1:9/weights.bin"}, size=300_000
    )
    with pytest.raises(UserError) as error:
        download(weights)
    message = str(error.value)
    for part in (
        "cannot be reached",
        "fetch http://127.0.0.1:9/weights.bin (300,000 bytes, licence CC0-1.0",
        f"sha256 {weights.sha256}",
        f"put it at {cached_path(weights)}",
        "--use some_weights=PATH",
    ):
        assert part in message


def test_a_damaged_file_in_the_cache_is_an_error(server, make_weights):
    weights = make_weights()
    path = download(weights)
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    with pytest.raises(UserError, match="its sha256 is .* Delete it"):
        download(weights)


def test_no_room(make_weights, monkeypatch):
    usage = namedtuple("usage", "free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(1000))
    with pytest.raises(UserError, match="300,000 bytes are needed and 1,000 free"):
        download(make_weights())


def test_two_processes_do_not_write_the_same_file(make_weights):
    weights = make_weights()
    part_of(weights).parent.mkdir(parents=True)
    with part_of(weights).open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(UserError, match="another process"):
            download(weights)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_unwritable_cache(make_weights, tmp_path):
    (tmp_path / "cache").mkdir(mode=0o500)
    with pytest.raises(UserError, match="cache"):
        download(make_weights())


def zenodo_record(body: bytes, **changes) -> dict:
    checksum = "md5:" + hashlib.md5(body).hexdigest()
    entry = {"key": "weights.bin", "size": len(body), "checksum": checksum, **changes}
    return {"metadata": {"license": {"id": "cc-by-4.0"}}, "files": [entry]}


def on_zenodo(server, make_weights, **changes):
    server.files["/records/12/files/weights.bin"] = content(server)
    server.json["/api/records/12"] = zenodo_record(content(server), **changes)
    source = {"kind": "zenodo", "host": server.address, "record": 12, "path": "weights.bin"}
    return make_weights(sha256=None, source=source)


def test_zenodo_states_size_and_md5(server, make_weights):
    weights = on_zenodo(server, make_weights)
    path = download(weights)
    md5 = hashlib.md5(content(server)).hexdigest()
    assert json.loads(receipt_path(path).read_text())["verified"] == f"md5 {md5}"


def test_bytes_that_zenodo_does_not_state_are_refused(server, make_weights):
    weights = on_zenodo(server, make_weights)
    server.files["/records/12/files/weights.bin"] = bytes(300_000)
    with pytest.raises(UserError, match="not the published file: its md5"):
        download(weights)


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
def test_what_zenodo_must_state(server, make_weights, changes, message):
    weights = on_zenodo(server, make_weights, **changes)
    with pytest.raises(UserError, match=message):
        download(weights)
    assert not cached_path(weights).exists()


def on_hub(server, make_weights, **lfs):
    server.files["/owner/model/resolve/abc/sub/weights.bin"] = content(server)
    digest = hashlib.sha256(content(server)).hexdigest()
    server.json["/api/models/owner/model/tree/abc"] = [
        {"path": "README.md", "size": 5, "oid": "1"},
        {"path": "sub/weights.bin", "size": 9, "oid": "1", "lfs": {"oid": digest, "size": 300_000, **lfs}},
    ]  # fmt: skip
    source = {
        "kind": "hub",
        "host": server.address,
        "repository": "owner/model",
        "revision": "abc",
        "path": "sub/weights.bin",
    }
    return make_weights(sha256=None, source=source)


def test_the_hub_states_size_and_sha256(server, make_weights):
    weights = on_hub(server, make_weights)
    path = download(weights)
    assert path.read_bytes() == content(server)
    assert json.loads(receipt_path(path).read_text())["verified"].startswith("sha256 ")


def test_bytes_that_the_hub_does_not_state_are_refused(server, make_weights):
    weights = on_hub(server, make_weights, oid=WRONG)
    with pytest.raises(UserError, match="not the published file: its sha256"):
        download(weights)


def test_an_interface_that_is_down_or_talks_nonsense(server, make_weights):
    weights = on_hub(server, make_weights)
    server.statuses = [503]
    with pytest.raises(UserError, match="answered 503 .* Try again later"):
        download(weights)
    server.json.clear()
    server.files["/api/models/owner/model/tree/abc"] = b"<html>sign in first</html>"
    with pytest.raises(UserError, match="not understood"):
        download(weights)


def test_resolve_finds_what_was_downloaded(monkeypatch, make_weights):
    weights = make_weights()
    monkeypatch.setattr(
        "espnet_mlclap.checkpoints.table.read_table", lambda: {weights.name: weights}
    )
    with pytest.raises(UserError, match="download_weights some_weights` fetches it"):
        resolve(weights.name)
    path = download(weights)
    assert resolve(weights.name) == path
