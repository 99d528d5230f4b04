"""Keeps a faiss index in step with the tables that it is derived from."""

import json
import logging
import math
import uuid
from pathlib import Path
from typing import Any, Dict, Iterator, NamedTuple, Optional, Tuple

import numpy as np

from espnet_mlclap.search.database import Database
from espnet_mlclap.search.stores.codec import Codec
from espnet_mlclap.search.stores.derived_index import TRAINING_VECTORS_PER_LIST, DerivedIndex
from espnet_mlclap.utils.atomic import atomic_open

_FACTS = "index.json"
_ROWS = 20_000  # read at once
_OUTGROWN = 10  # times as many windows as the lists were made for: they are made anew
_EXACT_MEANWHILE = (
    2  # times `exact_up_to`: lists are made at the end of an indexing, not while someone waits
)
_LISTED_REMOVALS = 1_000_000


class _State(NamedTuple):
    """How far an index has followed the tables: the last window and the last removal that it knows."""

    window: int = 0
    removal: int = 0


class Derivation:
    """The index of a local store, followed lazily: what has changed since is taken over when it is asked.

    Windows get ever higher ids, and removals are listed, so that following takes as long as there are
    changes. When something has changed, the numbers of windows are compared; where they differ (an older
    copy of the database was put in its place, say), the index is derived again.

    Args:
        database: with the tables `windows`, `vectors`, `removed` and `store`.
        folder: where the index is saved.
        codec: of the vectors.
        exact_up_to: windows up to which all are compared.
    """

    def __init__(self, database: Database, folder: Path, codec: Codec, exact_up_to: int):
        self._database, self._folder, self._codec = database, folder, codec
        self._exact_up_to = exact_up_to
        self._index: Optional[DerivedIndex] = None
        self._state = _State()
        self._made_for = 0  # windows there were when the lists were made
        self._saved = _State()
        with database.transaction() as connection:
            connection.execute("INSERT OR IGNORE INTO store VALUES ('id', ?)", [uuid.uuid4().hex])
            row = connection.execute("SELECT value FROM store WHERE key = 'id'").fetchone()
        self._id = row[0]

    def current(self) -> DerivedIndex:
        """The index as of the state that is being read (`Database.snapshot`)."""
        now = self._now()
        read = self._index is None and self._read(now)
        if self._index is not None and self._index.mapped and now != self._state:
            self._index = None
            read = self._read(now, mapped=False)
        if self._index is not None and (read or now != self._state):
            # an index of nothing does not know how wide vectors are
            followed = len(self._index) > 0 and self._follow(self._index, now)
            if not followed:
                self._index = None
        if self._index is None:
            self._index = self._derive(now)
        return self._index

    def save(self) -> None:
        """Make lists where they are due or outgrown, and write the index."""
        index = self.current()
        most = self._exact_up_to if index.exact else _OUTGROWN * self._made_for
        if len(index) > most:
            index = self._index = self._derive(self._state)
        elif self._saved == self._state:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        old = self._facts()
        path = self._folder / f"index-{self._state.window}-{self._state.removal}.faiss"
        partly = path.with_suffix(".tmp")
        index.write(str(partly))
        partly.replace(path)
        with atomic_open(self._folder / _FACTS) as file:
            json.dump(
                {"id": self._id, "file": path.name, "made_for": self._made_for}
                | self._state._asdict(),
                file,
            )
        self._saved = self._state
        if old is not None and old["file"] != path.name:
            (self._folder / old["file"]).unlink(missing_ok=True)

    def forget_removals(self) -> None:
        """Shorten the list of removals; an index that has missed more of them is derived again."""
        self._database.connection.execute(
            "DELETE FROM removed WHERE number <= ?", [self._now().removal - _LISTED_REMOVALS]
        )

    def _facts(self) -> Optional[Dict[str, Any]]:
        try:
            facts = json.loads((self._folder / _FACTS).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return facts if facts.get("id") == self._id else None

    def _read(self, now: _State, mapped: bool = True) -> bool:
        """Read the saved index; False if there is none that can be followed.

        Args:
            now: the state of the tables.
            mapped: leave it in its file, which takes a moment however large it is; see `DerivedIndex`.
        """
        facts = self._facts()
        if facts is None:
            return False
        state = _State(facts["window"], facts["removal"])
        if now.window < state.window or now.removal < state.removal:
            return False
        try:
            self._index = DerivedIndex.read(str(self._folder / facts["file"]), mapped=mapped)
        except RuntimeError as error:
            logging.warning("%s: cannot be read (%s), made again", self._folder, error)
            return False
        self._state = self._saved = state
        self._made_for = facts["made_for"]
        return True

    def _now(self) -> _State:
        numbers = dict(self._database.connection.execute("SELECT name, seq FROM sqlite_sequence"))
        return _State(numbers.get("windows", 0), numbers.get("removed", 0))

    def _follow(self, index: DerivedIndex, now: _State) -> bool:
        """Take over what has changed; False if that is not known, or the outcome is not what the "
        "tables hold."""
        if now.window < self._state.window or now.removal < self._state.removal:
            return False
        listed = self._one("SELECT coalesce(min(number), 0) FROM removed")
        if now.removal > self._state.removal and self._state.removal + 1 < listed:
            return False
        rows = self._database.connection.execute(
            "SELECT window FROM removed WHERE number > ?", [self._state.removal]
        )
        removed = np.fromiter((row[0] for row in rows), dtype=np.int64)
        index.remove(removed[removed <= self._state.window])
        for ids, vectors in self._vectors(self._state.window):
            index.add(ids, vectors)
        self._state = now
        count = self._one("SELECT count(*) FROM windows")
        due = index.exact and count > _EXACT_MEANWHILE * self._exact_up_to
        return count == len(index) and not due

    def _derive(self, now: _State) -> DerivedIndex:
        count = self._one("SELECT count(*) FROM windows")
        if count > self._exact_up_to:
            number = max(2 ** round(math.log2(2 * math.sqrt(count))), 1)
            logging.info("making an index of %d windows in %d inverted lists", count, number)
            index = DerivedIndex.lists(self._examples(number * TRAINING_VECTORS_PER_LIST), number)
        else:
            row = self._database.connection.execute("SELECT vector FROM vectors LIMIT 1").fetchone()
            index = DerivedIndex.scan(self._codec.decode([row[0]]).shape[1] if row else 1)
        for ids, vectors in self._vectors(0):
            index.add(ids, vectors)
        self._state, self._made_for = now, count
        return index

    def _examples(self, number: int) -> np.ndarray:
        """Vectors drawn evenly from all."""
        ids = self._database.connection.execute("SELECT window FROM vectors ORDER BY window")
        everything = np.fromiter((row[0] for row in ids), dtype=np.int64)
        generator = np.random.default_rng(0)
        chosen = np.sort(
            generator.choice(everything, min(number, len(everything)), replace=False)
        ).tolist()
        rows = self._database.connection.execute(
            "SELECT vector FROM vectors WHERE window IN (SELECT value FROM json_each(?))",
            [json.dumps(chosen)],
        )
        return self._codec.decode([row[0] for row in rows])

    def _vectors(self, after: int) -> Iterator[Tuple[np.ndarray, np.ndarray]]:
        rows = self._database.connection.execute(
            "SELECT window, vector FROM vectors WHERE window > ? ORDER BY window", [after]
        )
        while some := rows.fetchmany(_ROWS):
            ids = np.array([row[0] for row in some], dtype=np.int64)
            yield ids, self._codec.decode([row[1] for row in some])

    def _one(self, question: str) -> int:
        return self._database.connection.execute(question).fetchone()[0]
