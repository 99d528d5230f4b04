"""Many ids, texts and numbers in numpy arrays, which may be memory maps: no Python object for each of them.

Ids are an array of bytes (UTF-8), sorted, so that one is found by halving. Texts, whose lengths differ more,
are one array of all their bytes and one of where each ends.
"""

import hashlib
from typing import Any, Generic, Iterable, Iterator, Mapping, Sequence, TypeVar

import numpy as np

Value = TypeVar("Value")


def id_array(keys: Iterable[str]) -> np.ndarray:
    """[n] bytes, in the order of `keys`."""
    return np.array([key.encode("utf-8") for key in keys], dtype=bytes)


def find_id(ids: np.ndarray, key: str) -> int:
    """Row of `key` in sorted ids; -1 where it is not there."""
    wanted = key.encode("utf-8")
    if len(wanted) > ids.dtype.itemsize:  # numpy would copy all ids to make them as long
        return -1
    row = int(np.searchsorted(ids, wanted))
    return row if row < len(ids) and ids[row] == wanted else -1


def find_ids(ids: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Rows [n] of an array of ids in sorted ids; -1 for those that are not there."""
    if not len(ids):
        return np.full(len(wanted), -1)
    cut = wanted.astype(ids.dtype)  # the longer ones, which are not there, lose their ends
    rows = np.minimum(np.searchsorted(ids, cut), len(ids) - 1)
    return np.where(ids[rows] == wanted, rows, -1)


def hash63(text: str) -> int:
    """A number below 2^63 that stands for a text: any two of a million are the same once in 2e7 times."""
    digest = hashlib.blake2b(text.encode("utf-8"), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


class Texts(Sequence[str]):
    """Texts in two arrays.

    Args:
        data: all texts one after the other, [bytes] uint8.
        ends: where each ends, [n] int64.
    """

    def __init__(self, data: np.ndarray, ends: np.ndarray):
        self.data = data
        self.ends = ends

    @classmethod
    def pack(cls, texts: Iterable[str]) -> "Texts":
        """Put texts into arrays."""
        encoded = [text.encode("utf-8") for text in texts]
        ends = np.cumsum(np.fromiter(map(len, encoded), np.int64, len(encoded)))
        return cls(np.frombuffer(b"".join(encoded), dtype=np.uint8), ends)

    def __len__(self) -> int:
        return len(self.ends)

    def __getitem__(self, row: Any) -> Any:
        start = self.ends[row - 1] if row else 0
        return self.data[start : self.ends[row]].tobytes().decode("utf-8")


class Column(Mapping[str, Value], Generic[Value]):
    """Values by id.

    Args:
        ids: sorted, [n] bytes.
        values: [n], in the same order.
    """

    def __init__(self, ids: np.ndarray, values: np.ndarray):
        self.ids = ids
        self.values_by_row = values

    @classmethod
    def of(cls, values: Mapping[str, Value]) -> "Column":
        """`values`, where it is a column; else a column of them."""
        if isinstance(values, Column):
            return values
        keys = sorted(values)
        return cls(id_array(keys), np.array([values[key] for key in keys]))

    @classmethod
    def join(cls, columns: Sequence["Column"]) -> "Column":
        """One column of several that share no id."""
        if not columns:
            return cls.of({})
        ids = np.concatenate([column.ids for column in columns])
        order = np.argsort(ids, kind="stable")
        return cls(ids[order], np.concatenate([one.values_by_row for one in columns])[order])

    def __getitem__(self, key: str) -> Value:
        row = find_id(self.ids, key)
        if row < 0:
            raise KeyError(key)
        return self.values_by_row[row].item()

    def __iter__(self) -> Iterator[str]:
        return (key.decode("utf-8") for key in self.ids)

    def __len__(self) -> int:
        return len(self.ids)
