"""Vectors or tokens of frozen encoders on disk: computed once for each distinct clip or caption.

A store is a folder with one SQLite file for each encoder (its fingerprint is the name). A vector's key is a
hash of what was encoded, so that a caption in ten data sets, or a clip under two names, is encoded once, and
nothing has to be thrown away when data sets change. Each batch is one transaction: what was computed
before a kill is there afterwards, and several processes may write at the same time.
"""

import contextlib
import hashlib
import json
import os
import sqlite3
from pathlib import Path
from typing import Dict, Iterable, Iterator, List, Mapping, Optional, Sequence, Tuple, Union

import numpy as np

from espnet_mlclap.utils.atomic import make_dir
from espnet_mlclap.utils.errors import UserError

DTYPES = ("float16", "float32")
_WAIT = 60.0  # seconds for another process to finish its transaction
_ASKED_AT_ONCE = 500  # keys in one query
_BLOCK = 1 << 20  # bytes of a file read at once
_REMEMBERED = 64 << 20  # bytes of vectors that a process keeps in memory
_TABLES = """
CREATE TABLE IF NOT EXISTS encoder (description TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS vectors (key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS files (
    path TEXT PRIMARY KEY, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, key BLOB NOT NULL
) WITHOUT ROWID;
"""


class VectorStore:
    """The vectors of one encoder.

    Args:
        folder: where the stores of all encoders are; made if it is missing.
        description: what distinguishes this encoder from others (class, version, settings); JSON types.
        size: width of a vector.
        dtype: "float16" halves the file; cosines move by about 1e-4. "float32" keeps every bit.
        several: a value is not one vector [size] but tokens [t, size], t from item to item its own.

    It can be sent to other processes: each opens the file for itself.

    Raises:
        UserError: an unknown `dtype`; a folder that cannot be written; a file that is not one of our stores.
    """

    def __init__(
        self,
        folder: Union[str, Path],
        *,
        description: Mapping[str, object],
        size: int,
        dtype: str = "float32",
        several: bool = False,
    ):
        if dtype not in DTYPES:
            raise UserError(f"store_dtype must be one of {', '.join(DTYPES)}, not {dtype!r}")
        described = {**description, "size": size, "dtype": dtype}
        if several:
            described["several"] = True
        self.description = json.dumps(described, sort_keys=True, ensure_ascii=False)
        name = hashlib.sha256(self.description.encode("utf-8")).hexdigest()[:16]
        self.path = make_dir(folder).resolve() / f"{name}.sqlite"
        self.size = size
        self.several = several
        self._remembered_bytes = 0
        self.dtype = np.dtype(dtype).newbyteorder("<")
        self._opened_by: Optional[int] = None
        self._remembered: Dict[bytes, np.ndarray] = {}
        self._known_files: Dict[Tuple[str, int, int], bytes] = {}
        self._open()

    def __getstate__(self) -> Dict[str, object]:
        forgotten = {"_connection": None, "_opened_by": None, "_remembered": {}, "_known_files": {}}
        forgotten["_remembered_bytes"] = 0
        return {**self.__dict__, **forgotten}

    def _open(self) -> sqlite3.Connection:
        if self._opened_by == os.getpid():  # a connection must not cross a fork
            return self._connection
        try:
            connection = sqlite3.connect(self.path, timeout=_WAIT, check_same_thread=False)
            _keep_rollback_journal(connection)
            with connection:
                connection.executescript(_TABLES)
                if connection.execute("SELECT count(*) FROM encoder").fetchone()[0] == 0:
                    connection.execute("INSERT INTO encoder VALUES (?)", (self.description,))
        except sqlite3.Error as error:
            raise UserError(
                f"{self.path}: cannot be used as a store of vectors ({error}). If it is broken, remove it: "
                "its vectors are computed again."
            ) from error
        self._connection, self._opened_by = connection, os.getpid()
        return connection

    def get(self, keys: Sequence[bytes]) -> Dict[bytes, np.ndarray]:
        """The vectors that are there, float32 [size] by key (or tokens [t, size]).

        Raises:
            UserError: a vector of another width, or with NaN or infinity.
        """
        found = {key: self._remembered[key] for key in keys if key in self._remembered}
        distinct = [key for key in dict.fromkeys(keys) if key not in found]
        for some, marks in _in_parts(distinct):
            query = f"SELECT key, value FROM vectors WHERE key IN ({marks})"
            for key, value in self._open().execute(query, some).fetchall():
                found[key] = self._decoded(value)
                if self._remembered_bytes < _REMEMBERED:
                    self._remembered[key] = found[key]
                    self._remembered_bytes += found[key].nbytes
        return found

    def _decoded(self, value: bytes) -> np.ndarray:
        rows, rest = divmod(len(value), self.size * self.dtype.itemsize)
        if rest == 0 and (rows == 1 or (self.several and rows > 0)):
            vectors = np.frombuffer(value, self.dtype).astype(np.float32)
            if np.isfinite(vectors).all():
                return vectors.reshape(-1, self.size) if self.several else vectors
        raise UserError(
            f"{self.path}: a vector of {len(value)} bytes instead of {self.size} finite numbers of type "
            f"{self.dtype.name}. If the file is broken, remove it: its vectors are computed again."
        )

    def put(self, vectors: Mapping[bytes, np.ndarray]) -> None:
        """Add vectors [size] (or tokens [t, size]) by key, all or none of them; what is there stays.

        Raises:
            UserError: a vector of another width, or with NaN or infinity.
        """
        rows = [
            (key, np.ascontiguousarray(vector, self.dtype).tobytes())
            for key, vector in vectors.items()
        ]
        for _, value in rows:
            self._decoded(value)  # too large for float16, say: better said now than read back later
        with self._open() as connection:
            connection.executemany("INSERT OR IGNORE INTO vectors VALUES (?, ?)", rows)

    def missing(self, keys: Sequence[bytes]) -> List[bytes]:
        """Those of some keys that are not there, in their order."""
        there = set()
        for some, marks in _in_parts(keys):
            query = f"SELECT key FROM vectors WHERE key IN ({marks})"
            there.update(key for (key,) in self._open().execute(query, some))
        return [key for key in keys if key not in there]

    def __len__(self) -> int:
        return self._open().execute("SELECT count(*) FROM vectors").fetchone()[0]

    def keys_of_files(self, paths: Iterable[str]) -> List[bytes]:
        """Hashes of the contents of files; a file whose size and time have not changed is not read again.

        Raises:
            OSError: a file cannot be read.
        """
        keys = []
        fresh = []
        for path in paths:
            status = os.stat(path)
            state = (os.path.abspath(path), status.st_size, status.st_mtime_ns)
            if state in self._known_files:
                keys.append(self._known_files[state])
                continue
            query = "SELECT key FROM files WHERE path = ? AND size = ? AND mtime_ns = ?"
            known = self._open().execute(query, state).fetchall()
            if not known:
                known = [(_hash_of_file(path),)]
                fresh.append((*state, known[0][0]))
            ((key,),) = known
            self._known_files[state] = key
            keys.append(key)
        if fresh:
            with self._open() as connection:
                connection.executemany("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?)", fresh)
        return keys


def _keep_rollback_journal(connection: sqlite3.Connection) -> None:
    """SQLite's rollback journal in place of WAL, which earlier stores have.

    WAL keeps its index in memory that the processes of one machine share; SQLite does not support it for
    machines that share a folder, as the nodes of a cluster do. The rollback journal needs the file system's
    locks alone. Putting 2,000 values of 40 kB in batches of 16 took 3.0 s with it and 1.7 s with WAL: 11 ms
    more for a batch that takes an encoder far longer.

    A cursor that is not read to its end holds a lock with which writers of two processes would wait for
    each other; therefore `fetchall`.
    """
    if connection.execute("PRAGMA journal_mode").fetchall() == [("wal",)]:
        # while others have the file open it stays as it is, until it is opened by one process alone
        with contextlib.suppress(sqlite3.OperationalError):
            connection.execute("PRAGMA journal_mode=DELETE").fetchall()


def _in_parts(keys: Sequence[bytes]) -> Iterator[Tuple[Sequence[bytes], str]]:
    """As many keys as one query takes, and their question marks."""
    for start in range(0, len(keys), _ASKED_AT_ONCE):
        some = keys[start : start + _ASKED_AT_ONCE]
        yield some, ",".join("?" * len(some))


def _hash_of_file(path: str) -> bytes:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.digest()
