"""What a library knows of files: which it has looked at, in which state, and what was wrong with them."""

import json
from dataclasses import dataclass, replace
from typing import Dict, Iterable, Iterator, List, NamedTuple, Optional, Tuple

import numpy as np

from espnet_mlclap.search.database import Database, below
from espnet_mlclap.search.stores.abs_store import BLOCK, Recording, Windows
from espnet_mlclap.search.stores.codec import codec

_SCHEMA = """
CREATE TABLE IF NOT EXISTS library (key TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS files (id INTEGER PRIMARY KEY AUTOINCREMENT, path TEXT NOT NULL UNIQUE,
    size INTEGER NOT NULL, changed_ns INTEGER NOT NULL, checksum BLOB, duration REAL, tags TEXT NOT NULL,
problem TEXT); CREATE INDEX IF NOT EXISTS files_checksum ON files (checksum);
CREATE TABLE IF NOT EXISTS pending (number INTEGER PRIMARY KEY, start REAL NOT NULL, stop REAL NOT NULL,
    vector BLOB NOT NULL)
"""
_CODEC = codec("float32")  # of windows that wait


class Stamp(NamedTuple):
    """How a change of a file shows without reading it: size in bytes, time of the change in ns."""

    size: int
    changed_ns: int


@dataclass(frozen=True)
class File:
    """A file that was looked at.

    Attributes:
        id: of the recording; 0: not given yet.
        path: absolute.
        stamp: size and time when it was read.
        checksum: of its bytes.
        duration: seconds; None: it cannot be read.
        tags: given by the user.
        problem: why it cannot be searched; None: it can.
    """

    id: int
    path: str
    stamp: Stamp
    checksum: bytes
    duration: Optional[float]
    tags: Tuple[str, ...] = ()
    problem: Optional[str] = None

    @property
    def recording(self) -> Recording:
        """As the stores know it."""
        changed = self.stamp.changed_ns / 1e9
        return Recording(self.id, self.path, changed, self.duration or 0.0, self.tags)


class Catalogue:
    """The tables of a library that do not depend on where its vectors are.

    Args:
        database: that holds them.
    """

    def __init__(self, database: Database):
        self.database = database
        database.create(_SCHEMA)

    def get(self, key: str) -> Optional[str]:
        """A setting of the library."""
        row = self.database.connection.execute(
            "SELECT value FROM library WHERE key = ?", [key]
        ).fetchone()
        return row[0] if row else None

    def set(self, key: str, value: str) -> None:
        """Note a setting."""
        with self.database.transaction() as connection:
            connection.execute("INSERT OR REPLACE INTO library VALUES (?, ?)", [key, value])

    @property
    def folders(self) -> List[str]:
        """Folders that the library was made of, absolute paths."""
        return json.loads(self.get("folders") or "[]")

    def add_folders(self, folders: Iterable[str]) -> None:
        """Note folders."""
        self.set("folders", json.dumps(sorted({*self.folders, *folders})))

    def remove_folders(self, folders: Iterable[str]) -> None:
        """Forget folders."""
        self.set("folders", json.dumps(sorted({*self.folders} - {*folders})))

    def below(self, folder: str) -> Dict[str, File]:
        """Files in a folder, at any depth, by path."""
        rows = self.database.connection.execute(
            "SELECT id, path, size, changed_ns, checksum, duration, tags, problem FROM files "
            "WHERE path >= ? AND path < ? ORDER BY path",
            below(folder),
        )
        return {file.path: file for file in map(_file, rows)}

    def with_checksum(self, checksum: bytes) -> List[File]:
        """Readable files of the same content."""
        rows = self.database.connection.execute(
            "SELECT id, path, size, changed_ns, checksum, duration, tags, problem FROM files "
            "WHERE checksum = ? AND problem IS NULL ORDER BY id",
            [checksum],
        )
        return [_file(row) for row in rows]

    def find(self, recording: int) -> Optional[File]:
        """A file by its recording's id."""
        row = self.database.connection.execute(
            "SELECT id, path, size, changed_ns, checksum, duration, tags, problem FROM files WHERE id = ?",
            [recording],
        ).fetchone()
        return _file(row) if row else None

    def put(self, file: File) -> File:
        """Note a file, in place of what was known under its id; one without an id gets one."""
        with self.database.transaction() as connection:
            values = [
                file.path,
                *file.stamp,
                file.checksum,
                file.duration,
                json.dumps(file.tags),
                file.problem,
            ]
            number = connection.execute(
                "INSERT OR REPLACE INTO files (id, path, size, changed_ns, checksum, duration, "
                "tags, problem) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                [file.id or None, *values],
            ).lastrowid
        return replace(file, id=number)

    def remove(self, files: Iterable[File]) -> None:
        """Forget files."""
        with self.database.transaction() as connection:
            connection.executemany("DELETE FROM files WHERE id = ?", [(file.id,) for file in files])

    def problems(self) -> List[Tuple[str, str]]:
        """(path, what is wrong) of all files that cannot be searched."""
        return self.database.connection.execute(
            "SELECT path, problem FROM files WHERE problem IS NOT NULL ORDER BY path"
        ).fetchall()

    def count(self) -> int:
        """Recordings that can be searched."""
        return self.database.connection.execute(
            "SELECT count(*) FROM files WHERE problem IS NULL"
        ).fetchone()[0]

    def all_tags(self) -> List[str]:
        """Tags of the recordings, in order."""
        rows = self.database.connection.execute(
            "SELECT DISTINCT value FROM files, json_each(tags) WHERE problem IS NULL ORDER BY value"
        )
        return [row[0] for row in rows]

    # A long recording that is not finished yet. Its windows wait here, so that a killed run goes on in its
    # middle.

    def keep_pending(self, checksum: bytes, spans: np.ndarray, vectors: np.ndarray) -> None:
        """Keep windows of the unfinished recording with this checksum; those of another one are dropped."""
        with self.database.transaction() as connection:
            if self.get("pending") != checksum.hex():
                self.drop_pending()
                self.set("pending", checksum.hex())
            connection.executemany(
                "INSERT INTO pending (start, stop, vector) VALUES (?, ?, ?)",
                [(*span, row) for span, row in zip(spans.tolist(), _CODEC.encode(vectors))],
            )

    def count_pending(self, checksum: bytes) -> int:
        """How many windows of this recording are kept."""
        if self.get("pending") != checksum.hex():
            return 0
        return self.database.connection.execute("SELECT count(*) FROM pending").fetchone()[0]

    def pending(self) -> Iterator[Windows]:
        """The windows that are kept, at most `BLOCK` at once."""
        last = 0
        while rows := self.database.connection.execute(
            "SELECT number, start, stop, vector FROM pending WHERE number > ? ORDER BY number LIMIT ?",
            [last, BLOCK],
        ).fetchall():
            vectors = _CODEC.decode([row[3] for row in rows])
            yield Windows(np.array([row[1:3] for row in rows]), vectors)
            last = rows[-1][0]

    def drop_pending(self) -> None:
        """Keep none."""
        with self.database.transaction() as connection:
            connection.execute("DELETE FROM pending")
            connection.execute("DELETE FROM library WHERE key = 'pending'")


def _file(row: tuple) -> File:
    number, path, size, changed, checksum, duration, tags, problem = row
    return File(
        number, path, Stamp(size, changed), checksum, duration, tuple(json.loads(tags)), problem
    )
