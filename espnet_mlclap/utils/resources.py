"""What the machine has run out of, whoever says so and in whatever words: one line with what to do.

Libraries report a full disk or too little memory in many ways: an `OSError` with or without the file or even
the number, a `RuntimeError` with the reason in its words. Here is the one place that knows them.
"""

import contextlib
import errno
import os
import re
import resource
import shutil
from pathlib import Path
from typing import Dict, Iterator, Optional, Union

from espnet_mlclap.utils.shown import shown

_AGAIN = "then run the same command again: what was finished is kept"
_ROOM = f"Make room or write elsewhere, {_AGAIN}."
_FILES = f"Raise the limit (ulimit -n 4096) or use fewer processes (--nj, --num_workers), {_AGAIN}."
_PROBLEMS: Dict[int, str] = {
    errno.ENOSPC: f"no space was left on the disk{{reached}}. {_ROOM}",
    errno.EDQUOT: f"your disk quota was used up{{reached}}. {_ROOM}",
    errno.EFBIG: f"a file may not be larger than {{limit}} here. Raise that (ulimit -f unlimited), {_AGAIN}.",
    errno.EROFS: "the file system is read-only. Write elsewhere.",
    errno.EMFILE: f"too many files are open ({{files}} are allowed). {_FILES}",
    errno.ENFILE: f"too many files are open on this machine. {_FILES}",
    errno.ENOMEM: "too little memory. Use smaller batches (--batch_size) or fewer processes (--nj).",
}
# a number of `_PROBLEMS` by what libraries say
_WORDS = (
    (r"No space left on device|database or disk is full", errno.ENOSPC),
    (r"\d+ requested and \d+ written", errno.ENOSPC),  # numpy, which has lost the number
    (r"File too large", errno.EFBIG),
    (r"Too many open files|received 0 items of ancdata", errno.EMFILE),
    (
        r"can't allocate memory|[Nn]ot enough memory|Cannot allocate memory|Unable to allocate",
        errno.ENOMEM,
    ),
)
_SHARED_MEMORY = re.compile(r"insufficient shared memory|out of shared memory")
_GPU_MEMORY = re.compile(r"CUDA out of memory|CUDA error: out of memory")


def is_shortage(error: BaseException) -> bool:
    """Whether the machine, not the file that was worked on, is to blame for `error`."""
    return explain(error) is not None


def explain(error: BaseException) -> Optional[str]:
    """What is short, where, and what to do, in one line; None if `error` is about something else."""
    messages = map(_explain_one, _chain(error))
    return next((message for message in messages if message is not None), None)


def _explain_one(error: BaseException) -> Optional[str]:
    text = str(error)
    if _GPU_MEMORY.search(text):
        return (
            "too little memory on the GPU. Use smaller batches, or another GPU (--device cuda:1)."
        )
    if _SHARED_MEMORY.search(text):
        return (
            f"too little shared memory{_left('/dev/shm')}. Use --num_workers 0, or give the container more "
            "(docker run --shm-size 8g)."
        )
    number = _number(error)
    if number is None:
        return None
    path = getattr(error, "filename", None)
    name = "" if path is None or isinstance(path, int) else os.fsdecode(path)
    reached = getattr(error, "strerror", None) or ""
    if not reached.startswith(" after "):  # it does not come from `naming`
        reached = _left(name) if name else ""
    most_files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    message = _PROBLEMS[number].format(
        reached=reached, files=most_files, limit=_size(_most_bytes())
    )
    return f"{shown(name)}: {message}" if name else message


def _number(error: BaseException) -> Optional[int]:
    """Of `_PROBLEMS`, the one that `error` is about."""
    if isinstance(error, MemoryError):
        return errno.ENOMEM
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno if error.errno in _PROBLEMS else None
    if not isinstance(error, (OSError, RuntimeError)):
        return None
    number = next((number for words, number in _WORDS if re.search(words, str(error))), None)
    if number == errno.ENOSPC and _most_bytes() != resource.RLIM_INFINITY:
        return errno.EFBIG
    return number


def _most_bytes() -> int:
    return resource.getrlimit(resource.RLIMIT_FSIZE)[0]


def _left(path: str) -> str:
    """How much is free where `path` is or was to be."""
    for folder in (Path(path), *Path(path).parents):
        with contextlib.suppress(OSError):
            usage = shutil.disk_usage(folder)
            return f" ({_size(usage.free)} of {_size(usage.total)} are free in {shown(folder)})"
    return ""


def _size(count: float) -> str:
    units = ["bytes", "kB", "MB", "GB", "TB"]
    while count >= 1000 and len(units) > 1:
        count /= 1000
        units.pop(0)
    return f"{count:.3g} {units[0]}"


@contextlib.contextmanager
def naming(path: Union[str, Path], temporary: Path, size: Optional[int] = None) -> Iterator[None]:
    """Let errors about disk and file limits that come while `path` is written name it, and how far it came.

    Args:
        path: that is written.
        temporary: the file or folder in which it is until it is complete.
        size: bytes that it will have, if that is known: so much room it needs.

    Raises:
        OSError: also in place of what a library raises after it could not write.
    """
    try:
        yield
    except (OSError, RuntimeError) as error:
        for link in _chain(error):
            number = _number(link)
            if number is not None and getattr(link, "filename", None) is None:
                whole = "it" if size is None else f"the {_size(size)} that it needs"
                reached = f" after {_size(_written(temporary))} of {whole}{_left(os.fspath(path))}"
                raise OSError(number, reached, os.fspath(path)) from error
        raise


def _written(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and those that led to it."""
    link: Optional[BaseException] = error
    while link is not None:
        yield link
        link = link.__cause__ or link.__context__
