"""The store of vectors: what is put in comes out, after kills and from several processes too."""

import contextlib
import gc
import multiprocessing
import os
import pickle
import signal
import sqlite3

import numpy as np
import pytest

from espnet_mlclap.models.frozen.store import VectorStore
from espnet_mlclap.utils.errors import UserError

DESCRIPTION = {"encoder": "m:C", "version": "1"}


def store(folder, **settings):
    return VectorStore(folder, **{"description": DESCRIPTION, "size": 3, **settings})


def vector(number):
    return np.random.default_rng(number).standard_normal(3).astype(np.float32)


def test_what_is_put_in_comes_out(tmp_path):
    first = store(tmp_path)
    first.put({b"a": vector(1), b"b": vector(2)})
    first.put({b"a": vector(3)})  # is there already
    again = pickle.loads(pickle.dumps(store(tmp_path)))
    found = again.get([b"a", b"c", b"b", b"a"])
    assert set(found) == {b"a", b"b"}
    np.testing.assert_array_equal(found[b"a"], vector(1))
    np.testing.assert_array_equal(found[b"b"], vector(2))
    assert len(again) == 2


def test_more_keys_than_a_query_takes(tmp_path):
    vectors = {str(number).encode(): vector(number) for number in range(1234)}
    store(tmp_path).put(vectors)
    found = store(tmp_path).get(list(vectors))
    assert all(np.array_equal(found[key], vectors[key]) for key in vectors)


def test_encoders_and_types_do_not_mix(tmp_path):
    store(tmp_path).put({b"a": vector(1)})
    for others in (
        store(tmp_path, description={**DESCRIPTION, "version": "2"}),
        store(tmp_path, dtype="float16"),
        store(tmp_path, size=4),
    ):
        assert len(others) == 0
    half = store(tmp_path, dtype="float16")
    half.put({b"a": vector(1)})
    np.testing.assert_array_equal(half.get([b"a"])[b"a"], vector(1).astype(np.float16))


@pytest.mark.parametrize("bad", [np.array([1, np.nan, 2]), np.ones(2), np.array([1, 2, np.inf])])
def test_what_is_no_vector_is_refused_going_in_and_coming_out(tmp_path, bad):
    own = store(tmp_path)
    with pytest.raises(UserError, match="instead of 3 finite numbers"):
        own.put({b"good": vector(1), b"bad": bad})
    assert len(own) == 0  # all of a batch or nothing
    with sqlite3.connect(own.path) as connection:
        connection.execute("INSERT INTO vectors VALUES (?, ?)", (b"x", bad.astype("<f4").tobytes()))
    with pytest.raises(UserError, match=f"{own.path.name}.*remove it"):
        store(tmp_path).get([b"x"])


def test_a_file_that_is_no_store(tmp_path):
    path = tmp_path / "x" / store(tmp_path / "y").path.name
    path.parent.mkdir()
    path.write_bytes(b"this is not SQLite" * 100)
    with pytest.raises(UserError, match=f"{path.name}: cannot be used as a store.*remove it"):
        store(tmp_path / "x")
    with pytest.raises(UserError, match="store_dtype must be one of float16, float32"):
        store(tmp_path, dtype="int8")


def test_files_are_known_by_what_they_hold(tmp_path):
    paths = [tmp_path / name for name in ("a.wav", "b.wav", "c.wav")]
    for path, content in zip(paths, (b"same", b"same", b"other")):
        path.write_bytes(content)
    own = store(tmp_path / "store")
    a, b, c = own.keys_of_files(map(str, paths))
    assert a == b != c
    paths[0].write_bytes(b"changed")
    assert own.keys_of_files([str(paths[0])]) != [a]
    with pytest.raises(OSError, match="nowhere"):
        own.keys_of_files([str(tmp_path / "nowhere.wav")])


def journal_of(path):
    with contextlib.closing(sqlite3.connect(path)) as connection:
        ((journal,),) = connection.execute("PRAGMA journal_mode").fetchall()
    return journal


def test_machines_that_share_a_folder_can_share_a_store(tmp_path):
    """SQLite has no WAL for them. A store with it changes once nobody else has it open."""
    own = store(tmp_path)
    assert journal_of(own.path) == "delete"
    own.put({b"a": vector(1)})
    del own
    path = store(tmp_path).path
    with contextlib.closing(sqlite3.connect(path)) as earlier:
        earlier.execute("PRAGMA journal_mode=WAL").fetchall()
        earlier.execute("SELECT * FROM vectors").fetchall()
        beside = store(tmp_path)
        beside.put({b"b": vector(2)})
        del beside
    assert journal_of(path) == "wal"
    gc.collect()  # which closes connections
    assert set(store(tmp_path).get([b"a", b"b"])) == {b"a", b"b"}
    assert journal_of(path) == "delete"
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_what_is_read_lets_others_write(tmp_path):
    """No lock is kept by a question that was answered."""
    (tmp_path / "a.wav").write_bytes(b"sound")
    own = store(tmp_path / "store")
    own.put({b"a": vector(1), b"b": vector(2)})
    asking = store(tmp_path / "store")
    asking.get([b"a"])
    asking.missing([b"a", b"c"])
    asking.keys_of_files([str(tmp_path / "a.wav")])
    len(asking)
    with contextlib.closing(sqlite3.connect(own.path, timeout=0)) as other, other:
        other.execute("INSERT INTO vectors VALUES (?, ?)", (b"c", vector(3).tobytes()))
    assert b"c" in asking.get([b"c"])


def _write(folder, first, ready):
    own = store(folder)
    for number in range(first, first + 200):
        own.put({str(number).encode(): vector(number)})
        ready.set()


def test_several_processes_and_a_kill(tmp_path):
    context = multiprocessing.get_context("fork")
    ready = [context.Event() for _ in range(3)]
    workers = [
        context.Process(target=_write, args=(tmp_path, first, event))
        for first, event in zip((0, 100, 5000), ready)
    ]
    for worker in workers:
        worker.start()
    assert ready[2].wait(60)
    os.kill(workers[2].pid, signal.SIGKILL)
    for worker in workers:
        worker.join(120)
    found = store(tmp_path).get([str(number).encode() for number in [*range(300), 5000]])
    assert len(found) == 301
    assert all(np.array_equal(found[key], vector(int(key))) for key in found)


def test_a_fork_opens_the_file_for_itself(tmp_path):
    own = store(tmp_path)
    own.put({b"a": vector(1)})
    with multiprocessing.get_context("fork").Pool(2) as pool:
        found = pool.map(own.get, [[b"a"]] * 8)
    assert all(np.array_equal(each[b"a"], vector(1)) for each in found)
