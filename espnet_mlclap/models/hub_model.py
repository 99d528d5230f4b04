"""Models in the layout of the Hugging Face hub: what loading fails with, and writing beside our weights."""

import pickle
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import Callable, Iterator

from espnet_mlclap.utils.atomic import atomic_open
from espnet_mlclap.utils.errors import UserError

_INITS = ("pretrained", "scratch")
# What transformers and sentence-transformers raise for files that are missing, broken or of another kind.
_LOADING_ERRORS = (OSError, ValueError, RuntimeError, KeyError, pickle.UnpicklingError)


def check_init(init: str, where: str) -> None:
    """An error where `init` is neither "pretrained" nor "scratch"; `where` says whose."""
    if init not in _INITS:
        raise UserError(f"{where}: init must be {' or '.join(_INITS)}, not {init!r}")


@contextmanager
def loading(model: str, where: str, download: bool) -> Iterator[None]:
    """Name the model, and whose it is, in what loading it fails with.

    Args:
        model: a folder, or a name on the hub.
        where: the section of the configuration.
        download: whether it may be fetched; if not, the error says how to allow that.
    """
    try:
        yield
    except _LOADING_ERRORS as error:
        hint = "" if download else " `download: true` lets it be fetched from the hub."
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(f"{where}: model {model}: cannot be loaded ({reason}).{hint}") from error


def write_into(folder: Path, *save: Callable[[str], object]) -> None:
    """What each `save` writes into the folder that it is given, file by file, each whole, into `folder`."""
    with tempfile.TemporaryDirectory() as temporary:
        for function in save:
            function(temporary)
        for path in sorted(Path(temporary).rglob("*")):
            if path.is_file():
                with atomic_open(Path(folder, path.relative_to(temporary)), "wb") as file:
                    file.write(path.read_bytes())
