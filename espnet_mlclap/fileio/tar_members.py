"""Members of an uncompressed tar file, each found by where its header begins: `archive.tar:offset`.

That is how clips are stored by the million (WebDataset): few large files that are read from front to back, in
which a clip's files stand next to each other under one name, `KEY.flac` and `KEY.json`. A tar file may be
anybody's: nothing is extracted under its name, a header counts only with its checksum, a member is a plain
file within the archive, and its bytes go no further than memory or a temporary file of no name of theirs.
"""

import contextlib
import hashlib
import io
import os
import re
import tarfile
import tempfile
from pathlib import Path
from typing import IO, Iterator, NamedTuple, Optional, Tuple, Union

from espnet_mlclap.utils.errors import UserError
from espnet_mlclap.utils.reading import regular_file
from espnet_mlclap.utils.shown import shown

SUFFIX = ".tar"
BLOCK = 512  # bytes, of a header and what contents are filled up to
MOST_BYTES = 2 << 30  # of a member: some hours of sound
_LONGEST_KEY = 84  # with `.flac`, `.json` it fits into a header, which has room for 100 bytes
_PIECE = 1 << 20


class Header(NamedTuple):
    """name (as far as the header has room for it) and size in bytes of a member."""

    name: str
    size: int

    @property
    def room(self) -> int:
        """Bytes that its contents take up in the archive."""
        return -(-self.size // BLOCK) * BLOCK


def member_key(clip: str) -> str:
    """A name for the files of a clip in a tar file, for each clip another.

    Readers take a name up to its first dot for the key, and what is before a slash for a folder. So other
    characters than letters, digits, `_` and `-` are written as `%` and the number of each byte.

    >>> member_key("rain"), member_key("a/b.c")
    ('rain', 'a%2Fb%2Ec')
    """
    key = re.sub(
        rb"[^A-Za-z0-9_-]", lambda found: b"%%%02X" % found[0][0], clip.encode("utf-8")
    ).decode("ascii")
    if len(key) > _LONGEST_KEY:
        key = f"{key[:60]}-{hashlib.sha256(clip.encode('utf-8')).hexdigest()[:20]}"
    return key


def add_member(file: IO[bytes], name: str, content: bytes) -> int:
    """Append a member to a tar file that is being written; returns where its header begins.

    Of the same contents the same bytes are written: no time, no owner.
    """
    offset = file.tell()
    info = tarfile.TarInfo(name)
    info.size = len(content)
    file.write(info.tobuf(tarfile.USTAR_FORMAT))
    file.write(content)
    file.write(bytes(-len(content) % BLOCK))
    return offset


def end_tar(file: IO[bytes]) -> None:
    """Write the end of a tar file, at which other programs stop."""
    file.write(bytes(2 * BLOCK))
    file.write(bytes(-file.tell() % tarfile.RECORDSIZE))


def parse_location(location: str) -> Optional[Tuple[str, int]]:
    """Archive and offset of `archive.tar:offset`; None of what does not look like it."""
    archive, _, offset = location.rpartition(":")
    if not archive.endswith(SUFFIX) or not (offset.isascii() and offset.isdigit()):
        return None
    return (archive, int(offset)) if len(offset) < 19 else None


def tar_location(location: Union[str, os.PathLike]) -> Optional[Tuple[str, int]]:
    """The same, but for a file that happens to be called so."""
    entry = parse_location(os.fspath(location))
    return None if entry is None or os.path.exists(location) else entry


def file_of(location: str) -> str:
    """The file that a clip is in: the archive, or the clip's own."""
    entry = tar_location(location)
    return location if entry is None else entry[0]


def parse_header(block: bytes, where: str) -> Header:
    """Read the header of a plain file.

    Raises:
        UserError: no header, or one of a link, a folder, a device, a sparse file.
    """
    try:
        info = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except tarfile.HeaderError as error:
        raise UserError(f"{where}: no file of a tar archive begins here ({error}).") from error
    if info.type not in (tarfile.REGTYPE, tarfile.AREGTYPE) or info.size < 0:
        raise UserError(
            f"{where}: {shown(info.name)} is no plain file (a link, a folder, a device)."
        )
    return Header(info.name, info.size)


def read_member(archive: str, offset: int) -> Tuple[str, bytes]:
    """Name and contents of the member whose header begins at `offset`.

    Raises:
        UserError: no regular file, no member there, or one that is cut off or too large.
    """
    with _member(archive, offset) as (header, file, where):
        if header.size > MOST_BYTES:
            raise UserError(f"{where}: {header.size:,} bytes, more than {MOST_BYTES:,}.")
        return header.name, file.read(header.size)


@contextlib.contextmanager
def member_as_file(archive: str, offset: int) -> Iterator[Path]:
    """The contents of a member in a temporary file, which is there for as long as the block lasts.

    Raises:
        UserError: see `read_member`.
    """
    with tempfile.NamedTemporaryFile(prefix="mlclap_") as copy:
        with _member(archive, offset) as (header, file, where):
            if header.size > MOST_BYTES:
                raise UserError(f"{where}: {header.size:,} bytes, more than {MOST_BYTES:,}.")
            left = header.size
            while left and (piece := file.read(min(left, _PIECE))):
                copy.write(piece)
                left -= len(piece)
        copy.flush()
        yield Path(copy.name)


@contextlib.contextmanager
def _member(archive: str, offset: int) -> Iterator[Tuple[Header, io.BufferedReader, str]]:
    """The header, and the archive open at the first byte of the contents, all of which are there."""
    where = f"{shown(archive)}:{offset}"
    with regular_file(archive).open("rb") as file:
        left = os.fstat(file.fileno()).st_size - offset
        if left < BLOCK:
            raise UserError(f"{where}: cannot be read, the archive ends before.")
        file.seek(offset)
        header = parse_header(file.read(BLOCK), where)
        if BLOCK + header.size > left:
            raise UserError(
                f"{where}: cut off, {shown(header.name)} should have {header.size:,} bytes."
            )
        yield header, file, where
