"""The store in a file: SQLite holds everything, and an index derived from it answers quickly."""

import json
import threading
from pathlib import Path
from typing import Dict, Iterable, Iterator, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from espnet_mlclap.search.database import Database
from espnet_mlclap.search.stores.abs_store import (
    BLOCK,
    EVERYTHING,
    AbsStore,
    Found,
    Recording,
    Where,
    Windows,
)
from espnet_mlclap.search.stores.codec import codec
from espnet_mlclap.search.stores.derivation import Derivation
from espnet_mlclap.search.stores.derived_index import HALF_PRECISION_ERROR
from espnet_mlclap.search.stores.sql_condition import sql_condition
from espnet_mlclap.search.together import Together
from espnet_mlclap.utils.errors import UserError

_SCHEMA = """
CREATE TABLE IF NOT EXISTS store (key TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS recordings (id INTEGER PRIMARY KEY, path TEXT NOT NULL, changed REAL NOT NULL,
    duration REAL NOT NULL);
CREATE INDEX IF NOT EXISTS recordings_path ON recordings (path);
CREATE TABLE IF NOT EXISTS tags (tag TEXT NOT NULL, recording INTEGER NOT NULL, PRIMARY KEY (tag, recording))
    WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS tags_recording ON tags (recording);
CREATE TABLE IF NOT EXISTS windows (id INTEGER PRIMARY KEY AUTOINCREMENT, recording INTEGER NOT NULL,
    start REAL NOT NULL, stop REAL NOT NULL);
CREATE INDEX IF NOT EXISTS windows_recording ON windows (recording);
CREATE TABLE IF NOT EXISTS vectors (window INTEGER PRIMARY KEY, vector BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS removed (number INTEGER PRIMARY KEY AUTOINCREMENT, window INTEGER NOT NULL)
"""
_ASK_DATABASE_BELOW = (
    2000  # windows left by a filter that are scored from the database, without the index
)
_FIRST_CANDIDATES = 64
_TOGETHER = 32  # questions that are answered together

_Scored = Tuple[np.ndarray, np.ndarray]  # ids of windows, and similarities


class _Question(NamedTuple):
    vector: np.ndarray
    top: int
    where: Where


class LocalStore(AbsStore):
    """Recordings, windows, tags and vectors in SQLite; faiss over them.

    Up to `exact_up_to` windows a search gives exactly what comparing with every vector gives. Above,
    inverted lists choose candidates, which are scored exactly from the database; few of the best are missed.

    Args:
        database: that it keeps its tables in.
        folder: where the index is kept.
        vectors: "float32", "float16" or "int8", when the store is made; None: as it was made.
        exact_up_to: windows.

    Raises:
        UserError: the store was made with other `vectors`.
    """

    def __init__(
        self,
        database: Database,
        folder: Path,
        *,
        vectors: Optional[str] = None,
        exact_up_to: int = 100_000,
    ):
        self._database = database
        database.create(_SCHEMA)
        with database.transaction() as connection:
            made = _value(connection, "vectors")
            if made is None:
                made = vectors or "float32"
                codec(made)
                connection.execute("INSERT INTO store VALUES ('vectors', ?)", [made])
                connection.execute("INSERT INTO store VALUES ('checksums', 'crc32')")
            elif _value(connection, "checksums") is None:
                raise UserError(
                    f"{database.path}: made by a version of this package that kept no checksums. Remove this "
                    "library and run `mlclap index` again."
                )
        if vectors not in (None, made):
            raise UserError(
                f"--vectors {vectors}: {database.path} was made with {made}. Leave the option out, or name "
                "another --library."
            )
        self._codec = codec(made)
        self._kind = made
        self._derivation = Derivation(database, Path(folder), self._codec, exact_up_to)
        self._lock = threading.Lock()  # the index is for one thread at a time
        self._together = Together(self._search_all, _TOGETHER)

    def upsert(self, recordings: Sequence[Tuple[Recording, Windows]]) -> None:
        with self._database.transaction():
            for recording, windows in recordings:
                self.upsert_long(recording, [windows])

    def upsert_long(self, recording: Recording, blocks: Iterable[Windows]) -> None:
        with self._database.transaction() as connection:
            self.delete([recording.id])
            self._put(recording)
            for windows in blocks:
                rows = zip(windows.spans.tolist(), self._codec.encode(windows.vectors))
                for (start, end), vector in rows:
                    window = connection.execute(
                        "INSERT INTO windows (recording, start, stop) VALUES (?, ?, ?)",
                        [recording.id, start, end],
                    ).lastrowid
                    connection.execute("INSERT INTO vectors VALUES (?, ?)", [window, vector])

    def update(self, recordings: Sequence[Recording]) -> None:
        with self._database.transaction():
            for recording in recordings:
                self._put(recording)

    def _put(self, recording: Recording) -> None:
        connection = self._database.connection
        connection.execute(
            "INSERT OR REPLACE INTO recordings VALUES (?, ?, ?, ?)",
            [recording.id, recording.path, recording.changed, recording.duration],
        )
        connection.execute("DELETE FROM tags WHERE recording = ?", [recording.id])
        connection.executemany(
            "INSERT OR IGNORE INTO tags VALUES (?, ?)",
            [(tag, recording.id) for tag in recording.tags],
        )

    def delete(self, recordings: Sequence[int]) -> None:
        with self._database.transaction() as connection:
            for recording in recordings:
                one = [recording]
                connection.execute(
                    "INSERT INTO removed (window) SELECT id FROM windows WHERE recording = ? ORDER BY id",
                    one,
                )
                connection.execute(
                    "DELETE FROM vectors WHERE window IN (SELECT id FROM windows WHERE recording = ?)",
                    one,
                )
                connection.execute("DELETE FROM windows WHERE recording = ?", one)
                connection.execute("DELETE FROM tags WHERE recording = ?", one)
                connection.execute("DELETE FROM recordings WHERE id = ?", one)

    def search(self, vector: np.ndarray, top: int, where: Where = EVERYTHING) -> List[Found]:
        return self._together(_Question(vector, top, where))

    def _search_all(self, questions: Sequence[_Question]) -> List[List[Found]]:
        """Answer questions from one state of the database; those about everything in one pass."""
        scored: Dict[int, _Scored] = {}
        alike: Dict[int, List[int]] = {}  # by how many are wanted: places of questions
        with self._lock, self._database.snapshot():
            for place, (vector, top, where) in enumerate(questions):
                if where.everything:
                    alike.setdefault(top, []).append(place)
                    continue
                only = self._ids(where)
                if len(only) < _ASK_DATABASE_BELOW:
                    scored[place] = self._score(only, vector)
                else:
                    (scored[place],) = self._candidates(vector[None], top, only)
            for top, places in alike.items():
                vectors = np.stack([questions[place].vector for place in places])
                scored.update(zip(places, self._candidates(vectors, top)))
            found = []
            for place, question in enumerate(questions):
                ids, scores = scored[place]
                best = np.lexsort([ids, -scores])[: question.top]
                found.append(self._found(ids[best], scores[best]))
            return found

    def _candidates(
        self, vectors: np.ndarray, top: int, only: Optional[np.ndarray] = None
    ) -> List[_Scored]:
        """Windows with their exact similarities to each vector, with the best `top` among them."""
        index = self._derivation.current()
        everything = len(index) if only is None else len(only)
        answers: Dict[int, _Scored] = {}
        wanted = max(2 * top, _FIRST_CANDIDATES)
        left = list(range(len(vectors)))
        while left:
            for row, (found, approximate) in zip(left, index.search(vectors[left], wanted, only)):
                ids, scores = self._score(found, vectors[row])
                complete = not index.exact or len(found) >= everything or len(ids) < top
                # whatever was left out is at most as good as the last candidate, but for rounding
                if complete or (
                    np.partition(scores, -top)[-top] > approximate[-1] + HALF_PRECISION_ERROR
                ):
                    answers[row] = ids, scores
            left = [row for row in left if row not in answers]
            wanted *= 4
        return [answers[row] for row in range(len(vectors))]

    def _score(self, ids: np.ndarray, vector: np.ndarray) -> _Scored:
        rows = self._database.connection.execute(
            "SELECT window, vector FROM vectors WHERE window IN (SELECT value FROM json_each(?))",
            [json.dumps(ids.tolist())],
        ).fetchall()
        if not rows:
            return np.empty(0, np.int64), np.empty(0, np.float32)
        vectors = self._codec.decode([row[1] for row in rows])
        # a product of matrices would round a row by what stands beside it
        scores = np.einsum("ij,j->i", vectors, vector.astype(np.float32))
        return np.array([row[0] for row in rows], dtype=np.int64), scores

    def _found(self, ids: np.ndarray, scores: np.ndarray) -> List[Found]:
        rows = {
            row[0]: row[1:]
            for row in self._database.connection.execute(
                "SELECT windows.id, start, stop, recordings.id, path, changed, duration FROM windows "
                "JOIN recordings ON recordings.id = recording "
                "WHERE windows.id IN (SELECT value FROM json_each(?))",
                [json.dumps(ids.tolist())],
            )
        }
        tags = self._tags(sorted({row[2] for row in rows.values()}))
        found = []
        for window, score in zip(ids.tolist(), scores.tolist()):
            start, end, *about = rows[window]
            found.append(
                Found(window, Recording(*about, tags.get(about[0], ())), start, end, score)
            )
        return found

    def _tags(self, recordings: Sequence[int]) -> Dict[int, Tuple[str, ...]]:
        tags: Dict[int, Tuple[str, ...]] = {}
        for recording, tag in self._database.connection.execute(
            "SELECT recording, tag FROM tags WHERE recording IN (SELECT value FROM json_each(?)) "
            "ORDER BY tag",
            [json.dumps(list(recordings))],
        ):
            tags[recording] = (*tags.get(recording, ()), tag)
        return tags

    def count(self, where: Where = EVERYTHING) -> int:
        condition, values = sql_condition(where)
        return self._database.connection.execute(
            f"SELECT count(*) FROM windows JOIN recordings ON recordings.id = recording{condition}"
            if condition
            else "SELECT count(*) FROM windows",
            values,
        ).fetchone()[0]

    def _ids(self, where: Where) -> np.ndarray:
        condition, values = sql_condition(where)
        rows = self._database.connection.execute(
            "SELECT windows.id FROM windows JOIN recordings ON recordings.id = recording"
            f"{condition} ORDER BY windows.id",
            values,
        )
        return np.fromiter((row[0] for row in rows), dtype=np.int64)

    def blocks(self, recording: int) -> Iterator[Windows]:
        last = 0
        while rows := self._database.connection.execute(
            "SELECT windows.id, start, stop, vector FROM windows JOIN vectors ON window = windows.id "
            "WHERE recording = ? AND windows.id > ? ORDER BY windows.id LIMIT ?",
            [recording, last, BLOCK],
        ).fetchall():
            vectors = self._codec.decode([row[3] for row in rows])
            yield Windows(np.array([row[1:3] for row in rows]), vectors)
            last = rows[-1][0]

    def find(self, window: int) -> Optional[Tuple[Recording, float, float, np.ndarray]]:
        with self._database.snapshot() as connection:
            row = connection.execute(
                "SELECT vector FROM vectors WHERE window = ?", [window]
            ).fetchone()
            if row is None:
                return None
            (found,) = self._found(np.array([window]), np.zeros(1))
            return found.recording, found.start, found.end, self._codec.decode([row[0]])[0]

    def recording(self, recording: int) -> Optional[Recording]:
        with self._database.snapshot() as connection:
            row = connection.execute(
                "SELECT id, path, changed, duration FROM recordings WHERE id = ?", [recording]
            ).fetchone()
            return Recording(*row, self._tags([recording]).get(recording, ())) if row else None

    def finish(self) -> None:
        with self._lock:
            with self._database.snapshot():
                self._derivation.save()
            self._derivation.forget_removals()

    def close(self) -> None:
        self._database.close()

    def describe(self) -> Dict[str, object]:
        with self._lock, self._database.snapshot():
            index = self._derivation.current()
        return {
            "store": "local",
            "windows": len(index),
            "vectors": self._kind,
            "index": "exact" if index.exact else f"{index.number_of_lists} inverted lists",
        }


def _value(connection, key: str):
    row = connection.execute("SELECT value FROM store WHERE key = ?", [key]).fetchone()
    return row[0] if row else None
