"""Write aside, then rename: a reader never sees half a file, whenever the writer is killed."""

import contextlib
import glob
import os
import shutil
import tempfile
from pathlib import Path
from typing import IO, Iterator, Union

from espnet_mlclap.utils.errors import UserError
from espnet_mlclap.utils.resources import is_shortage, naming


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_dir(path: Union[str, Path]) -> Path:
    """Create a directory and its parents.

    Raises:
        UserError: it cannot be created or written to.
    """
    path = Path(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        if is_shortage(error):
            raise
        raise UserError(
            f"{path}: cannot be created ({error.strerror}). Give a folder that you may write to."
        ) from error
    if not os.access(path, os.W_OK):
        raise UserError(f"{path}: not writable. Give a folder that you may write to.")
    return path


@contextlib.contextmanager
def atomic_open(path: Union[str, Path], mode: str = "w") -> Iterator[IO]:
    """Open `path` for writing; the file appears under its name only when the block ends without an error.

    Text is written as UTF-8 with "\\n" line ends. Data is synced to disk before the rename, so that
    a crash leaves either the old file or the new one.

    Args:
        path: the file to write; its folder is created.
        mode: "w" for text, "wb" for bytes.

    Raises:
        UserError: the folder cannot be written to.
        ValueError: another mode.
    """
    if mode not in ("w", "wb"):
        raise ValueError(f"mode must be 'w' or 'wb', not {mode!r}")
    path = Path(path)
    make_dir(path.parent)
    options = {} if mode == "wb" else {"encoding": "utf-8", "newline": "\n"}
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    temporary = Path(name)
    try:
        with naming(path), os.fdopen(descriptor, mode, **options) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o666 & ~_umask())
        os.replace(temporary, path)
        _sync(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def atomic_dir(path: Union[str, Path]) -> Iterator[Path]:
    """Fill a new folder that takes the place of `path` only when the block ends without an error.

    Yields:
        An empty temporary folder next to `path`.

    Raises:
        UserError: the parent folder cannot be written to.
    """
    path = Path(path)
    parent = make_dir(path.parent)
    temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".tmp", dir=parent))
    try:
        with naming(path):
            yield temporary
        temporary.chmod(0o777 & ~_umask())
        old = None
        if path.exists():
            old = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".old", dir=parent))
            os.replace(path, old / path.name)
        os.replace(temporary, path)
        _sync(parent)
        if old is not None:
            shutil.rmtree(old)
    finally:
        if temporary.exists():
            shutil.rmtree(temporary)


def remove_left_over(path: Union[str, Path]) -> None:
    """Remove what a killed `atomic_dir(path)` has left; only where no other process writes `path` now."""
    path = Path(path)
    for left in path.parent.glob(f".{glob.escape(path.name)}.*.tmp"):
        shutil.rmtree(left)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
