"""What is in a tar file of a stranger: the plain files, by name, size and place; nothing is extracted.

Only headers are read, and what some of them carry for the next one (long names). What a shard of clips has no
use for is an error: links, devices, sparse files, names that are absolute or lead upwards, compression, sizes
beyond the end of the file.
"""

import os
import tarfile
from pathlib import Path, PurePosixPath
from typing import IO, Dict, Iterator, NamedTuple, Union

from espnet_mlclap.fileio.tar_members import BLOCK
from espnet_mlclap.utils.errors import UserError
from espnet_mlclap.utils.reading import regular_file
from espnet_mlclap.utils.shown import shown

_MOST_NAME_BYTES = 1 << 16  # of a header that carries names
_COMPRESSED = {b"\x1f\x8b": "gzip", b"BZ": "bzip2", b"\xfd7": "xz", b"(\xb5": "zstd", b"PK": "zip"}
_CARRIES = (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, b"X")
_WHAT = {
    tarfile.SYMTYPE: "a link",
    tarfile.LNKTYPE: "a link",
    tarfile.CHRTYPE: "a device",
    tarfile.BLKTYPE: "a device",
    tarfile.FIFOTYPE: "a pipe",
    tarfile.GNUTYPE_SPARSE: "a sparse file",
}


class Member(NamedTuple):
    """A plain file: its name, its size in bytes, and where its header begins."""

    name: str
    size: int
    offset: int


def tar_members(path: Union[str, Path]) -> Iterator[Member]:
    """The plain files of an archive in their order; folders are passed over.

    Raises:
        UserError: no uncompressed tar file, one that is cut off, or one with something that must not be
            there; names the archive and the place.
    """
    with regular_file(path).open("rb") as file:
        end = os.fstat(file.fileno()).st_size
        start = file.read(2)
        if start in _COMPRESSED:
            raise UserError(
                f"{shown(path)}: compressed ({_COMPRESSED[start]}), so that clips cannot be read one by one. "
                "Uncompress it to a plain .tar; sound is compressed already."
            )
        offset, carried = 0, {}
        while offset < end:
            where = f"{shown(path)}:{offset}"
            file.seek(offset)
            try:
                info = tarfile.TarInfo.frombuf(file.read(BLOCK), "utf-8", "surrogateescape")
            except tarfile.EOFHeaderError:  # a block of zeros is the end
                return
            except tarfile.HeaderError as error:
                raise UserError(f"{where}: not a tar file, or a broken one ({error}).") from error
            if not 0 <= info.size <= end - offset - BLOCK:
                raise UserError(
                    f"{where}: {shown(info.name)} should have {info.size:,} bytes, which are not there. The "
                    "file is cut off or broken."
                )
            if info.type in _CARRIES:
                carried.update(_carried(file, info, where))
            elif info.type in (tarfile.REGTYPE, tarfile.AREGTYPE):
                yield Member(_checked(carried.pop("path", info.name), where), info.size, offset)
                carried = {}
            elif info.type == tarfile.DIRTYPE:
                carried = {}
            else:
                what = _WHAT.get(info.type, "of an unknown kind")
                raise UserError(
                    f"{where}: {shown(info.name)} is {what}, which a shard must not hold."
                )
            offset += BLOCK + -(-info.size // BLOCK) * BLOCK
        raise UserError(f"{shown(path)}: cut off, its end is missing.")


def _carried(file: IO[bytes], info: tarfile.TarInfo, where: str) -> Dict[str, str]:
    """What a header tells about the next one."""
    if info.size > _MOST_NAME_BYTES:
        raise UserError(f"{where}: a name of {info.size:,} bytes.")
    content = file.read(info.size)
    if info.type == tarfile.GNUTYPE_LONGNAME:
        return {"path": _text(content.rstrip(b"\0"))}
    if info.type == tarfile.XGLTYPE:
        return {}
    records = {}
    while content:
        number, _, rest = content.partition(b" ")
        if not number.isdigit() or not len(number) + 1 < int(number) <= len(content):
            raise UserError(f"{where}: a broken header (pax).")
        record = content[len(number) + 1 : int(number)].rstrip(b"\n")
        key, _, value = record.partition(b"=")
        records[_text(key)] = _text(value)
        content = content[int(number) :]
    for key in records:
        if key == "size" or key.startswith("GNU.sparse"):
            raise UserError(
                f"{where}: a sparse file, or one too large for a shard of clips ({key})."
            )
    return {"path": records["path"]} if "path" in records else {}


def _text(value: bytes) -> str:
    return value.decode("utf-8", "surrogateescape")


def _checked(name: str, where: str) -> str:
    parts = PurePosixPath(name).parts
    if not parts or name.startswith("/") or ".." in parts or "\0" in name:
        raise UserError(f"{where}: the name {shown(name)!r} is absolute, empty or leads upwards.")
    return name
