"""Checksums of the files of a folder, in a file `checksums` beside them: `<BLAKE2b, hex> <name>`."""

import hashlib
from pathlib import Path
from typing import Dict, Union

from espnet_mlclap.utils.errors import UserError
from espnet_mlclap.utils.reading import read_text, regular_file
from espnet_mlclap.utils.shown import shown

_NAME = "checksums"
_PIECE = 1 << 20  # bytes read at once


def write_checksums(folder: Union[str, Path]) -> None:
    """Write the checksums of all files in a folder."""
    folder = Path(folder)
    names = sorted(path.name for path in folder.iterdir() if path.name != _NAME)
    lines = [f"{checksum_of(folder / name)} {name}\n" for name in names]
    (folder / _NAME).write_text("".join(lines), encoding="utf-8")


def check_checksums(folder: Union[str, Path], remedy: str) -> None:
    """Compare the files of a folder with their checksums; where there are none, nothing is known.

    Args:
        folder: with files and perhaps `checksums`.
        remedy: what to do, for the error.

    Raises:
        UserError: a file is missing, or is not what was written.
    """
    path = Path(folder) / _NAME
    if not path.exists():
        return
    for name, digest in read_checksums(folder, remedy).items():
        if checksum_of(path.with_name(name)) != digest:
            raise UserError(
                f"{shown(path.with_name(name))}: has changed since it was written, as {_NAME} tells. {remedy}"
                f" If you changed it on purpose, remove {_NAME}."
            )


def read_checksums(folder: Union[str, Path], remedy: str = "Remove the folder.") -> Dict[str, str]:
    """The checksums of the files of a folder, as they were written, by name.

    Raises:
        UserError: there are none, or a line is broken.
    """
    path = Path(folder) / _NAME
    checksums = {}
    for number, line in enumerate(read_text(path).splitlines(), 1):
        digest, _, name = line.partition(" ")
        if not name or "/" in name or name.startswith("."):
            raise UserError(
                f"{shown(path)}:{number}: must read `<checksum> <file>`, not {shown(line)!r}. {remedy}"
            )
        checksums[name] = digest
    return checksums


def checksum_of(path: Path) -> str:
    """BLAKE2b (16 bytes, hex) of a file."""
    digest = hashlib.blake2b(digest_size=16)
    with open(regular_file(path), "rb") as file:
        while piece := file.read(_PIECE):
            digest.update(piece)
    return digest.hexdigest()
