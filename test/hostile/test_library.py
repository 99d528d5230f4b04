"""The library of recordings"""

import os
import sqlite3

import numpy as np
import pytest

from espnet_mlclap.utils.errors import UserError

CLIP = np.eye(1, 8, dtype=np.float32)[0]


@pytest.fixture
def folder(tmp_path):
    """A library of twelve recordings."""
    soundfile = pytest.importorskip("soundfile")
    from espnet_mlclap.search.update import update_library

    (tmp_path / "audio").mkdir()
    for number in range(12):
        soundfile.write(tmp_path / f"audio/{number}.wav", np.sin(np.arange(1600) * number), 1600)
    library = open_library(tmp_path)
    update_library(library, [tmp_path / "audio"], encode)
    library.close()
    return tmp_path


def encode(windows):
    rows = np.random.default_rng(len(windows)).standard_normal((len(windows), 8)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def open_library(tmp_path):
    from espnet_mlclap.search.library import Library

    return Library(tmp_path / "library", fingerprint="model 1", size=8)


def search(tmp_path, top=3):
    library = open_library(tmp_path)
    try:
        return library.store.search(CLIP, top)
    finally:
        library.close()


def database(tmp_path):
    return next(path for path in (tmp_path / "library").iterdir() if path.suffix == ".sqlite")


def remove_derived(tmp_path):
    """What is made from the database goes, so that it is read again."""
    for path in (tmp_path / "library").iterdir():
        if path.suffix != ".sqlite":
            path.unlink()


@pytest.mark.parametrize("vector", [
    np.full(8, np.nan, "<f4").tobytes(), np.full(8, np.inf, "<f4").tobytes(), b"", b"abc",
    np.zeros(9, "<f4").tobytes(), "words", 17,
], ids=["NaN", "infinity", "nothing", "three bytes", "another width", "words", "a number"])  # fmt: skip
def test_vectors_that_are_none(folder, vector):
    """A vector in the database that is NaN, of another width, no vector: searching names the library."""
    with sqlite3.connect(database(folder)) as connection:
        connection.execute("UPDATE vectors SET vector = ? WHERE window = 3", (vector,))
    connection.close()
    remove_derived(folder)
    with pytest.raises(UserError, match="library"):
        search(folder)


@pytest.mark.parametrize("byte", [0, 13, 31])
@pytest.mark.parametrize("derived", ["there", "made again"])
def test_vectors_that_are_others(folder, byte, derived):
    """A vector in the database that was changed into another one: searching names the library."""
    with sqlite3.connect(database(folder)) as connection:
        ((vector,),) = connection.execute("SELECT vector FROM vectors WHERE window = 3")
        changed = bytearray(vector)
        changed[byte] ^= 1  # the last digits of a number
        connection.execute("UPDATE vectors SET vector = ? WHERE window = 3", (bytes(changed),))
    connection.close()
    if derived == "made again":
        remove_derived(folder)
    with pytest.raises(UserError, match="library.*not what was written"):
        search(folder, 12)


@pytest.mark.parametrize("kind", ["words", "cut", "overwritten", "pipe", "folder"])
def test_no_database(folder, kind):
    """A file that is no database, a cut one, a pipe or a folder in its place: named."""
    path = database(folder)
    content = path.read_bytes()
    remove_derived(folder)
    path.unlink()
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.write_bytes({
            "words": b"no database at all, whatever its name says\n" * 100,
            "cut": content[: len(content) // 2],
            "overwritten": content[:4096] + bytes(range(256)) * ((len(content) - 4096) // 256),
        }[kind])  # fmt: skip
    with pytest.raises(UserError, match="library"):
        search(folder)


@pytest.mark.parametrize("name", ["all"])
def test_what_is_derived_is_thrown_away(folder, name):
    """A broken index that was made from the database is made again."""
    expected = [one.recording.path for one in search(folder)]
    for path in (folder / "library").iterdir():
        if path.suffix not in (".sqlite", ".sqlite-wal", ".sqlite-shm"):
            path.write_bytes(b"broken")
    assert [one.recording.path for one in search(folder)] == expected


@pytest.mark.parametrize("name", [b"caf\xe9.wav", b"\xff\xfe.wav", b"sub\xe9/1.wav"])
def test_names_that_are_not_utf8(folder, name):
    """A recording whose name is not UTF-8: found, under its name, and not embedded again."""
    from espnet_mlclap.search.stores.abs_store import Where
    from espnet_mlclap.search.update import update_library

    path = os.path.join(os.fsencode(folder / "audio"), name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    os.rename(folder / "audio/0.wav", path)
    library = open_library(folder)
    report = update_library(library, [folder / "audio"], encode)
    assert (report.taken_over, report.problems) == (1, [])
    assert update_library(library, [folder / "audio"], encode).unchanged == 12
    found = [hit.recording.path for hit in library.store.search(CLIP, 100)]
    assert os.fsdecode(path) in found
    assert len(found) == 12
    inside = Where(folder=os.path.dirname(os.fsdecode(path)))
    assert os.fsdecode(path) in [
        one.recording.path for one in library.store.search(CLIP, 100, inside)
    ]
    library.close()


def test_a_name_that_stands_for_another(folder):
    """A name with the characters that a library keeps such bytes as: refused, and all others are found."""
    from espnet_mlclap.search.update import update_library

    os.rename(folder / "audio/0.wav", folder / "audio/caf\U0010ffe9.wav")
    library = open_library(folder)
    ((_, problem),) = update_library(library, [folder / "audio"], encode).problems
    assert "leaves to private use; rename it" in problem
    assert len(library.store.search(CLIP, 100)) == 11
    library.close()
