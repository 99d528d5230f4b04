"""Fetch files of corpora: one file by its name in the table, with what it is verified by, or an archive."""

import logging
import shutil
from pathlib import Path
from typing import Callable, Union

from espnet_mlclap.fileio.download import download
from espnet_mlclap.fileio.published import read_published
from espnet_mlclap.utils.atomic import atomic_dir
from espnet_mlclap.utils.errors import UserError

FILES = Path(__file__).with_name("files.yaml")
_UNPACKED = ".unpacked"  # in a folder that was unpacked by us


def fetch_file(name: str, folder: Union[str, Path]) -> Path:
    """Download the file `name` of the table into `folder`, continuing where an earlier try was interrupted.

    Returns:
        Its path. A file that is there is left as it is: a download gets its name only when it has been
        verified, and without a network files are put there by hand.

    Raises:
        UserError: no network, no such file, or the bytes are not those published (see `download`).
    """
    row = read_published(FILES)[name]
    target = Path(folder) / row.file
    return target if target.exists() else download(row, target)


def fetch_audio(name: str, folder: Union[str, Path], unpack: Callable[[Path, Path], None]) -> Path:
    """Download the archive `name` and unpack it; the archive is removed when its files are in place.

    Args:
        name: row of the table.
        folder: where the recordings are put, all in one folder; if it is there nothing is done.
        unpack: `unpack(archive, empty folder)`.

    Raises:
        UserError: see `fetch_file`; or the archive has no recording.
    """
    folder = Path(folder)
    if folder.is_dir():
        logging.info("%s: already there", folder)
        if is_unpacked(folder):  # killed before the archive was removed
            archive = folder.parent / read_published(FILES)[name].file
            archive.unlink(missing_ok=True)
        return folder
    archive = fetch_file(name, folder.parent)
    logging.info("unpacking %s into %s", archive, folder)
    unpack_flat(archive, folder, unpack)
    archive.unlink()
    return folder


def is_unpacked(folder: Path) -> bool:
    """Whether `unpack_flat` has made this folder, which is then complete."""
    return (folder / _UNPACKED).exists()


def unpack_flat(archive: Path, folder: Path, unpack: Callable[[Path, Path], None]) -> None:
    """Unpack `archive` and put the files in it, without the folders they are in there, into `folder`.

    Raises:
        UserError: there is no file in it, or two of one name.
    """
    with atomic_dir(folder) as temporary:
        inside = temporary / "archive"
        inside.mkdir()
        unpack(archive, inside)
        for path in sorted(inside.rglob("*")):
            if path.is_file() and not path.is_symlink():
                if (temporary / path.name).exists():
                    raise UserError(f"{archive}: two files are called {path.name}.")
                path.rename(temporary / path.name)
        shutil.rmtree(inside)
        if not any(temporary.iterdir()):
            raise UserError(f"{archive}: there is no file in it. Delete it and fetch it again.")
        (temporary / _UNPACKED).touch()


def unpack_7z(archive: Path, folder: Path) -> None:
    """Unpack a 7z archive.

    Raises:
        UserError: it is damaged, or py7zr is not installed.
    """
    try:
        import py7zr
    except ImportError as error:
        raise UserError(f"{archive}: unpacking needs py7zr: pip install py7zr.") from error
    try:
        with py7zr.SevenZipFile(archive) as file:
            file.extractall(folder)
    except py7zr.exceptions.ArchiveError as error:
        raise UserError(f"{archive}: damaged ({error}). Delete it and fetch it again.") from error
