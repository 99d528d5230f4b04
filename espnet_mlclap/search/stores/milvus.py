"""The store on a Milvus server or cluster: for very many windows, and readers on many machines."""

import json
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import Any, Dict, Iterable, Iterator, List, Optional, Sequence, Tuple

import numpy as np

from espnet_mlclap.search.names import given, kept
from espnet_mlclap.search.stores.abs_store import (
    BLOCK,
    EVERYTHING,
    AbsStore,
    Found,
    Recording,
    Where,
    Windows,
)
from espnet_mlclap.utils.errors import UserError

_WINDOWS_PER_RECORDING = 2**20  # a window's id is its recording's times this, plus its number
_ROWS = BLOCK  # sent or fetched at once: below the server's limit of 64 MB a message
_MOST_HITS = 16_384  # of one search, a limit of the server
_LONGEST_PATH, _LONGEST_TAG, _MOST_TAGS = 8192, 256, 64  # bytes, bytes, tags
_ABOUT = ("recording", "path", "changed", "duration", "tags", "start", "stop")


@dataclass(frozen=True)
class MilvusOptions:
    """Where the server is, and how it keeps a collection.

    Attributes:
        uri: `http://host:19530`.
        token: `user:password` or a key, if the server asks for one.
        collection: letters, digits and underscores.
        index: `HNSW`, `IVF_SQ8`, `FLAT`, ... of Milvus.
        index_parameters: of building it.
        search_parameters: of searching in it.
        consistency: `Strong` (a search sees every change made before it), `Bounded`, `Session` or
            `Eventually`.
        timeout: seconds that a call may take.
    """

    uri: str
    collection: str
    token: str = ""
    index: str = "HNSW"
    index_parameters: Dict[str, Any] = field(
        default_factory=lambda: {"M": 16, "efConstruction": 200}
    )
    search_parameters: Dict[str, Any] = field(default_factory=lambda: {"ef": 128})
    consistency: str = "Strong"
    timeout: float = 60.0


class MilvusStore(AbsStore):
    """Windows as rows of one collection, with all that is known of their recordings in each row.

    Args:
        options: see there.
        size: width E of the vectors, for a collection that is made now.

    Raises:
        UserError: the server cannot be reached, or the collection is of another width.
    """

    def __init__(self, options: MilvusOptions, size: int):
        from pymilvus import MilvusClient
        from pymilvus.exceptions import MilvusException

        self._options = options
        self._error = MilvusException
        try:
            self._client = MilvusClient(
                uri=options.uri, token=options.token, timeout=options.timeout
            )
            if not self._client.has_collection(options.collection):
                self._make(size)
            else:
                self._client.load_collection(options.collection)
                self._check(size)
        except MilvusException as error:
            raise UserError(
                f"--store {options.uri}: {_first_line(error)}. Is the server running, and the token right?"
            ) from error

    def _make(self, size: int) -> None:
        from pymilvus import DataType

        schema = self._client.create_schema(auto_id=False, enable_dynamic_field=False)
        schema.add_field("id", DataType.INT64, is_primary=True)
        schema.add_field("recording", DataType.INT64)
        for name in ("changed", "duration", "start", "stop"):
            schema.add_field(name, DataType.DOUBLE)
        schema.add_field("path", DataType.VARCHAR, max_length=_LONGEST_PATH)
        schema.add_field(
            "tags",
            DataType.ARRAY,
            element_type=DataType.VARCHAR,
            max_capacity=_MOST_TAGS,
            max_length=_LONGEST_TAG,
        )
        schema.add_field("vector", DataType.FLOAT_VECTOR, dim=size)
        index = self._client.prepare_index_params()
        index.add_index(
            "vector",
            index_type=self._options.index,
            metric_type="IP",
            params=self._options.index_parameters,
        )
        self._client.create_collection(
            self._options.collection,
            schema=schema,
            index_params=index,
            consistency_level=self._options.consistency,
        )

    def _check(self, size: int) -> None:
        fields = self._client.describe_collection(self._options.collection)["fields"]
        widths = [one["params"]["dim"] for one in fields if one["name"] == "vector"]
        if widths != [size]:
            raise UserError(
                f"--store {self._options.uri}: collection {self._options.collection} holds vectors of width "
                f"{widths}, the model gives {size}. Name another with --collection."
            )

    def upsert(self, recordings: Sequence[Tuple[Recording, Windows]]) -> None:
        self.delete([recording.id for recording, _ in recordings])
        rows = (_window_rows(recording, [windows]) for recording, windows in recordings)
        self._send(chain.from_iterable(rows))

    def upsert_long(self, recording: Recording, blocks: Iterable[Windows]) -> None:
        self.delete([recording.id])
        self._send(_window_rows(recording, blocks))

    def _send(self, rows: Iterator[Dict[str, Any]]) -> None:
        while some := list(islice(rows, _ROWS)):
            self._client.upsert(self._options.collection, some)

    def update(self, recordings: Sequence[Recording]) -> None:
        for recording in recordings:
            for rows in self._rows(f"recording == {recording.id}", ["start", "stop", "vector"]):
                about = _row(recording)
                self._client.upsert(self._options.collection, [{**row, **about} for row in rows])

    def delete(self, recordings: Sequence[int]) -> None:
        for start in range(0, len(recordings), _ROWS):
            some = [int(one) for one in recordings[start : start + _ROWS]]
            self._client.delete(self._options.collection, filter=f"recording in {some}")

    def search(self, vector: np.ndarray, top: int, where: Where = EVERYTHING) -> List[Found]:
        top = min(top, _MOST_HITS)
        parameters = dict(self._options.search_parameters)
        if "ef" in parameters:  # must not be below what is asked for
            parameters["ef"] = max(parameters["ef"], top)
        (hits,) = self._client.search(
            self._options.collection,
            [vector.astype(np.float32)],
            filter=_expression(where),
            limit=top,
            search_params={"metric_type": "IP", "params": parameters},
            output_fields=list(_ABOUT),
            consistency_level=self._options.consistency,
        )
        found = [
            Found(
                hit["id"],
                _recording(hit["entity"]),
                hit["entity"]["start"],
                hit["entity"]["stop"],
                hit["distance"],
            )
            for hit in hits
        ]
        return sorted(found, key=lambda one: (-one.similarity, one.window))

    def count(self, where: Where = EVERYTHING) -> int:
        (row,) = self._client.query(
            self._options.collection,
            filter=_expression(where),
            output_fields=["count(*)"],
            consistency_level=self._options.consistency,
        )
        return row["count(*)"]

    def blocks(self, recording: int) -> Iterator[Windows]:
        for rows in self._rows(f"recording == {int(recording)}", ["start", "stop", "vector"]):
            yield Windows(
                np.array([(row["start"], row["stop"]) for row in rows]),
                np.array([row["vector"] for row in rows], dtype=np.float32),
            )

    def find(self, window: int) -> Optional[Tuple[Recording, float, float, np.ndarray]]:
        for rows in self._rows(f"id == {int(window)}", [*_ABOUT, "vector"]):
            (row,) = rows
            vector = np.array(row["vector"], dtype=np.float32)
            return _recording(row), row["start"], row["stop"], vector
        return None

    def recording(self, recording: int) -> Optional[Recording]:
        rows = self._client.query(
            self._options.collection,
            filter=f"recording == {int(recording)}",
            output_fields=list(_ABOUT),
            limit=1,
            consistency_level=self._options.consistency,
        )
        return _recording(rows[0]) if rows else None

    def finish(self) -> None:
        """Nothing: the server keeps its own index."""

    def close(self) -> None:
        self._client.close()

    def describe(self) -> Dict[str, object]:
        return {
            "store": "milvus",
            "windows": self.count(),
            "vectors": "float32",
            "index": self._options.index,
        }

    def _rows(self, expression: str, fields: Sequence[str]) -> Iterator[List[Dict[str, Any]]]:
        """Rows in the order of their ids, some at a time."""
        last = -1
        while True:
            rows = self._client.query(
                self._options.collection,
                filter=f"({expression}) and id > {last}",
                output_fields=["id", *fields],
                limit=_ROWS,
                consistency_level=self._options.consistency,
            )
            if not rows:
                return
            rows = sorted((dict(row) for row in rows), key=lambda row: row["id"])
            yield rows
            last = rows[-1]["id"]


def _window_rows(recording: Recording, blocks: Iterable[Windows]) -> Iterator[Dict[str, Any]]:
    about, window = _row(recording), recording.id * _WINDOWS_PER_RECORDING
    for windows in blocks:
        for (start, end), vector in zip(windows.spans.tolist(), windows.vectors):
            yield {**about, "id": window, "start": start, "stop": end, "vector": vector}
            window += 1


def _row(recording: Recording) -> Dict[str, Any]:
    return {
        "recording": recording.id,
        "path": kept(recording.path),
        "changed": recording.changed,
        "duration": recording.duration,
        "tags": [kept(tag) for tag in recording.tags],
    }


def _recording(row: Dict[str, Any]) -> Recording:
    tags = tuple(sorted(map(given, row["tags"])))
    return Recording(row["recording"], given(row["path"]), row["changed"], row["duration"], tags)


def _expression(where: Where) -> str:
    """Milvus's filter. Values are written as JSON, so that no path or tag can be read as a part of it."""
    parts = []
    if where.folder is not None:
        folder = where.folder.rstrip("/")
        # not `like`, in which % and _ of a path would stand for something else
        parts.append(f"path >= {_quoted(folder + '/')} and path < {_quoted(folder + '0')}")
    for condition, value in (
        ("changed >=", where.changed_after),
        ("changed <", where.changed_before),
        ("duration >=", where.min_duration),
        ("duration <=", where.max_duration),
    ):
        if value is not None:
            parts.append(f"{condition} {float(value)!r}")
    parts += [f"array_contains(tags, {_quoted(tag)})" for tag in where.tags]
    if where.recordings is not None:
        parts.append(f"recording in {[int(one) for one in where.recordings]}")
    return " and ".join(parts)


def _quoted(text: str) -> str:
    return json.dumps(kept(text), ensure_ascii=False)


def _first_line(error: Exception) -> str:
    return str(getattr(error, "message", error)).split("\n")[0]
