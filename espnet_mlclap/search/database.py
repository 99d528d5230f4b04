"""The SQLite database of a library: one writer, any number of readers, each of which sees whole states."""

import contextlib
import sqlite3
import threading
from pathlib import Path
from typing import Any, Iterable, Iterator, Optional, Sequence, Union

from espnet_mlclap.search.names import given, kept
from espnet_mlclap.utils.atomic import make_dir
from espnet_mlclap.utils.errors import UserError

_SECONDS_TO_WAIT = 60.0  # for another process's transaction, which takes a fraction of a second


class _Connection(sqlite3.Connection):
    """Says which file it is that is found to be damaged, and keeps file names that are not UTF-8."""

    path = Path()

    def execute(self, statement: str, values: Sequence[Any] = ()) -> sqlite3.Cursor:
        try:
            return super().execute(statement, _kept(values))
        except sqlite3.DatabaseError as error:
            if (
                type(error) is not sqlite3.DatabaseError
            ):  # locked, full, a row that is there already ...
                raise
            raise UserError(
                f"{self.path}: damaged, or not a library of recordings ({error}). Name another folder with "
                "--library, or remove this one and run `mlclap index` again."
            ) from error

    def executemany(self, statement: str, rows: Iterable[Sequence[Any]]) -> sqlite3.Cursor:
        return super().executemany(statement, map(_kept, rows))


def _kept(values: Sequence[Any]) -> Sequence[Any]:
    return [kept(value) if isinstance(value, str) else value for value in values]


def _text(raw: bytes) -> str:
    return given(raw.decode("utf-8", "surrogateescape"))


class Database:
    """Connections to one file, one for each thread, in write-ahead mode (readers do not wait for the writer).

    Args:
        path: the file; made if it is not there.

    Raises:
        UserError: it is not a database, or cannot be opened.
    """

    def __init__(self, path: Union[str, Path]):
        self.path = Path(path)
        make_dir(self.path.parent)
        self._local = threading.local()
        self._all: list = []
        self._lock = threading.Lock()
        self.connection.execute("SELECT count(*) FROM sqlite_master")

    @property
    def connection(self) -> sqlite3.Connection:
        """This thread's connection, in autocommit mode."""
        found: Optional[sqlite3.Connection] = getattr(self._local, "connection", None)
        if found is None:
            try:
                found = sqlite3.connect(
                    self.path,
                    timeout=_SECONDS_TO_WAIT,
                    isolation_level=None,
                    check_same_thread=False,  # `close` closes them all
                    factory=_Connection,
                )
                found.path = self.path
                found.text_factory = _text
                found.execute("PRAGMA journal_mode = WAL")
                found.execute("PRAGMA synchronous = NORMAL")
                found.execute("PRAGMA foreign_keys = ON")
            except sqlite3.OperationalError as error:
                raise UserError(f"{self.path}: cannot be opened ({error}).") from error
            self._local.connection = found
            with self._lock:
                self._all.append(found)
        return found

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All changes of the block, or none; a block inside another is part of it.

        Raises:
            UserError: the disk is full, or another process has held the database for a minute.
        """
        connection = self.connection
        if connection.in_transaction:
            yield connection
            return
        try:
            connection.execute("BEGIN IMMEDIATE")
            yield connection
            connection.execute("COMMIT")
        except sqlite3.OperationalError as error:
            raise UserError(f"{self.path}: cannot be written ({error}).") from error
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[sqlite3.Connection]:
        """Everything read in the block is of one state."""
        connection = self.connection
        if connection.in_transaction:
            yield connection
            return
        connection.execute("BEGIN")
        try:
            yield connection
        finally:
            connection.execute("COMMIT")

    def create(self, schema: str) -> None:
        """Make the tables of `schema` (CREATE ... IF NOT EXISTS) that are not there."""
        for statement in schema.split(";"):
            if statement.strip():
                self.connection.execute(statement)

    def close(self) -> None:
        """Close the connections of all threads."""
        with self._lock:
            for connection in self._all:
                connection.close()
            self._all.clear()
        self._local = threading.local()


def below(folder: str) -> tuple:
    """Bounds (first, past the last) of the paths in a folder, for `path >= ? AND path < ?`."""
    folder = folder.rstrip("/")
    return f"{folder}/", f"{folder}0"  # "0" follows "/"
