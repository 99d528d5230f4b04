"""How a vector is kept in the database: exactly, or in half or a quarter of the room; with a checksum."""

import zlib
from dataclasses import dataclass
from typing import Callable, Dict, Sequence

import numpy as np

from espnet_mlclap.utils.errors import UserError

_CHECKSUM = 4  # bytes


@dataclass(frozen=True)
class Codec:
    """To bytes and back.

    Attributes:
        encode: vectors [n, E] float32 to n byte strings.
        decode: n byte strings to vectors [n, E] float32; a `UserError` where they are none, not finite, or
            not those that were encoded.
    """

    encode: Callable[[np.ndarray], Sequence[bytes]]
    decode: Callable[[Sequence[bytes]], np.ndarray]


def _plain(dtype: str) -> Codec:
    def decode(rows: Sequence[bytes]) -> np.ndarray:
        values = np.frombuffer(_checked(rows), dtype=dtype)
        return _finite(values.reshape(len(rows), -1).astype(np.float32))

    return Codec(lambda vectors: [_summed(row.tobytes()) for row in vectors.astype(dtype)], decode)


def _encode_int8(vectors: np.ndarray) -> Sequence[bytes]:
    scale = np.abs(vectors).max(axis=1, keepdims=True).astype("<f4") / 127
    scale[scale == 0] = 1
    values = np.rint(vectors / scale).astype(np.int8)
    return [_summed(one.tobytes() + row.tobytes()) for one, row in zip(scale, values)]


def _decode_int8(rows: Sequence[bytes]) -> np.ndarray:
    table = np.frombuffer(_checked(rows), dtype=np.uint8).reshape(len(rows), -1)
    scale = table[:, :4].copy().view("<f4")
    return _finite(table[:, 4:].view(np.int8).astype(np.float32) * scale)


def _summed(row: bytes) -> bytes:
    """A row with its CRC-32, by which a change shows that leaves numbers."""
    return row + zlib.crc32(row).to_bytes(_CHECKSUM, "little")


def _checked(rows: Sequence[bytes]) -> bytes:
    """The bytes of rows of one length, without their checksums.

    Raises:
        UserError: something else than bytes, rows of several lengths, or a checksum that is another's.
    """
    if not all(isinstance(row, bytes) for row in rows) or len(set(map(len, rows))) > 1:
        raise _damaged("vectors of several sizes, or something else in place of one")
    contents = [row[:-_CHECKSUM] for row in rows]
    if any(_summed(content) != row for content, row in zip(contents, rows)):
        raise _damaged("a vector is not what was written")
    return b"".join(contents)


def _finite(vectors: np.ndarray) -> np.ndarray:
    if not np.isfinite(vectors).all():
        raise _damaged("NaN or infinity in a vector")
    return vectors


def _damaged(what: str) -> UserError:
    return UserError(
        f"the library's database is damaged: {what}. Remove the library and run `mlclap index` again."
    )


#: By name: bytes for each number of a vector 4, 2 and 1.
CODECS: Dict[str, Codec] = {
    "float32": _plain("<f4"),
    "float16": _plain("<f2"),
    "int8": Codec(_encode_int8, _decode_int8),
}


def codec(name: str) -> Codec:
    """The codec of this name.

    Raises:
        UserError: an unknown name.
    """
    if name not in CODECS:
        raise UserError(
            f"--vectors {name}: unknown kind of storage; there are {', '.join(CODECS)}."
        )
    return CODECS[name]
