"""Read an entry of a Kaldi archive: the two forms that stage 3 writes, a WAV file, and nothing else.

`AUDIO`, a length and as many bytes of an audio file; a WAV file as it is (`RIFF`); or `\\0BFM `, a matrix of
float32. kaldiio, which writes them, reads more: it runs a name that ends in `|` as a command and unpickles
what begins with `PKL`. An archive may come from elsewhere, so it is read here, from a regular file and never
beyond its end.
"""

import io
import os
import struct
from pathlib import Path
from typing import IO, Optional, Tuple, Union

import numpy as np

from espnet_mlclap.utils.errors import UserError
from espnet_mlclap.utils.reading import regular_file
from espnet_mlclap.utils.shown import shown

_AUDIO = b"AUDIO"
_WAV = b"RIFF"
_MATRIX = b"\0BFM "
_SIZE = b"\4"  # comes before each of a matrix's two sizes, of four bytes


def split_location(location: str) -> Optional[Tuple[str, int]]:
    """Archive and offset of a location `archive.ark:offset`; None where it is a file of its own."""
    archive, _, offset = location.rpartition(":")
    if not archive or not (offset.isascii() and offset.isdigit()) or Path(location).exists():
        return None
    return archive, int(offset)


def read_entry(archive: str, offset: int) -> Union[np.ndarray, Tuple[int, np.ndarray]]:
    """Read the entry of an archive that begins at `offset` bytes.

    Returns:
        [frames, values] float32 of a matrix; or rate in Hz and [samples] or [samples, channels] of audio.

    Raises:
        UserError: no regular file, an offset outside of it, an entry of another form or cut off.
    """
    path = regular_file(archive)
    where = f"{shown(archive)}:{offset}"
    with path.open("rb") as file:
        left = os.fstat(file.fileno()).st_size - offset
        if left <= 0:
            raise UserError(f"{where}: cannot be read, the archive ends before.")
        file.seek(offset)
        start = file.read(len(_AUDIO))
        if start == _AUDIO:
            width = int.from_bytes(file.read(1), "little")
            return _audio(file, int.from_bytes(file.read(width), "little"), left, where)
        if start[:4] == _WAV:
            file.seek(offset)
            size = int.from_bytes(file.read(8)[4:], "little") + 8
            file.seek(offset)
            return _audio(file, size, left, where)
        if start == _MATRIX:
            return _matrix(file, left, where)
    raise UserError(
        f"{where}: neither audio nor a matrix of features, as stage 3 writes them (begins with {start!r})."
    )


def _audio(file: IO[bytes], size: int, left: int, where: str) -> Tuple[int, np.ndarray]:
    import soundfile

    if size > left:
        raise UserError(f"{where}: cut off, it should have {size:,} bytes.")
    content = file.read(size)
    try:
        samples, rate = soundfile.read(io.BytesIO(content), dtype="float32")
    except soundfile.LibsndfileError as error:
        raise UserError(f"{where}: broken audio ({error}).") from error
    return rate, samples


def _matrix(file: IO[bytes], left: int, where: str) -> np.ndarray:
    head = file.read(10)
    if len(head) < 10 or head[0:1] != _SIZE or head[5:6] != _SIZE:
        raise UserError(f"{where}: a broken matrix.")
    rows, columns = (struct.unpack("<i", part)[0] for part in (head[1:5], head[6:10]))
    if rows < 0 or columns < 0 or rows * columns * 4 > left:
        raise UserError(f"{where}: cut off, it should be a matrix of {rows:,} by {columns:,}.")
    content = file.read(rows * columns * 4)
    return np.frombuffer(content, dtype="<f4").reshape(rows, columns).astype(np.float32)
