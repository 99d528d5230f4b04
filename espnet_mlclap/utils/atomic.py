"""Write aside, then rename: a reader never sees half a file, whenever the writer is killed.

What a killed writer leaves is called `.<name>.<...>.tmp` (or `.old`), next to `<name>`. No reader takes it
for something finished (`is_left_over`), and the next writer of the same name removes it. A writer holds a
lock on what it writes, which ends with it, however it ends: so what is being written is told from what was
left.
"""

import contextlib
import fcntl
import glob
import os
import shutil
import tempfile
from pathlib import Path
from typing import IO, Iterator, Optional, Tuple, Union

from espnet_mlclap.utils.errors import UserError
from espnet_mlclap.utils.resources import is_shortage, naming

_SUFFIXES = (".tmp", ".old")


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
def atomic_open(
    path: Union[str, Path], mode: str = "w", size: Optional[int] = None
) -> Iterator[IO]:
    """Open `path` for writing; the file appears under its name only when the block ends without an error.

    Text is written as UTF-8 with "\\n" line ends. Data is synced to disk before the rename, so that
    a crash leaves either the old file or the new one.

    Args:
        path: the file to write; its folder is created.
        mode: "w" for text, "wb" for bytes.
        size: bytes that it will have, if that is known: what is said when there is no room for them.

    Raises:
        UserError: the folder cannot be written to.
        ValueError: another mode.
    """
    if mode not in ("w", "wb"):
        raise ValueError(f"mode must be 'w' or 'wb', not {mode!r}")
    path = Path(path)
    make_dir(path.parent)
    options = {} if mode == "wb" else {"encoding": "utf-8", "newline": "\n"}
    remove_left_over(path)
    descriptor, temporary = _new_file(path)
    try:
        with naming(path, temporary, size), os.fdopen(descriptor, mode, **options) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
            temporary.chmod(0o666 & ~_umask())
            os.replace(temporary, path)  # before the file is closed, which ends the lock
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
    remove_left_over(path)
    descriptor, temporary = _new_dir(path, _SUFFIXES[0])
    try:
        with naming(path, temporary):
            yield temporary
        temporary.chmod(0o777 & ~_umask())
        if path.exists():
            of_old, old = _new_dir(path, _SUFFIXES[1])
            try:
                os.replace(path, old / path.name)
                os.replace(temporary, path)
                _sync(parent)
                shutil.rmtree(old)
            finally:
                os.close(of_old)
        else:
            os.replace(temporary, path)
            _sync(parent)
    finally:
        os.close(descriptor)
        if temporary.exists():
            shutil.rmtree(temporary)


def is_left_over(path: Union[str, Path]) -> bool:
    """Whether this is what a killed writer has left, or what is still being written; readers pass it over."""
    name = Path(path).name
    return name.startswith(".") and name.endswith(_SUFFIXES)


def remove_left_over(path: Union[str, Path]) -> None:
    """Remove what killed writers of `path` have left; what is being written at the moment stays."""
    path = Path(path)
    for left in path.parent.glob(f".{glob.escape(path.name)}.*"):
        if not is_left_over(left) or left.is_symlink():
            continue
        try:
            descriptor = os.open(left, os.O_RDONLY | os.O_NONBLOCK)
        except OSError:
            continue  # gone in the meantime, or another user's
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            continue  # being written
        else:
            _remove(left)
        finally:
            os.close(descriptor)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _new_file(path: Path) -> Tuple[int, Path]:
    """An empty file next to `path`, locked: its descriptor, which the lock ends with, and its name."""
    while True:
        prefix = f".{path.name}."
        descriptor, name = tempfile.mkstemp(prefix=prefix, suffix=_SUFFIXES[0], dir=path.parent)
        if _lock(descriptor, name):
            return descriptor, Path(name)


def _new_dir(path: Path, suffix: str) -> Tuple[int, Path]:
    """Like `_new_file`, for a folder."""
    while True:
        name = tempfile.mkdtemp(prefix=f".{path.name}.", suffix=suffix, dir=path.parent)
        descriptor = os.open(name, os.O_RDONLY)
        if _lock(descriptor, name):
            return descriptor, Path(name)


def _lock(descriptor: int, name: str) -> bool:
    """Lock what was just made; False where another writer has taken it for a left-over and removed it."""
    with contextlib.suppress(OSError):  # a file system without locks
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    if os.path.exists(name):
        return True
    os.close(descriptor)
    return False


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
