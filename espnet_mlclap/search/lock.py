"""One writer at a time: a lock that ends with the process that holds it, however it ends."""

import contextlib
import fcntl
import logging
import os
from pathlib import Path
from typing import Iterator

from espnet_mlclap.utils.atomic import make_dir
from espnet_mlclap.utils.errors import UserError


@contextlib.contextmanager
def writer_lock(folder: Path, *, wait: bool) -> Iterator[None]:
    """Be the only one who changes a library.

    Args:
        folder: of the library.
        wait: for the other writer to end, if there is one; else say so.

    Raises:
        UserError: another process is writing, and `wait` is False.
    """
    path = make_dir(folder) / "writer.lock"
    with open(path, "a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            who = file.read().strip() or "unknown"
            if not wait:
                raise UserError(
                    f"{folder}: process {who} is bringing this library up to date. Wait for it "
                    f"(--wait true), or "
                    "stop it; searching goes on meanwhile."
                ) from None
            logging.info("%s: waiting for process %s, which brings it up to date", folder, who)
            fcntl.flock(file, fcntl.LOCK_EX)
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield
