"""Where libraries are: in the user's data directory, one for each model content, or where the user says."""

import json
from pathlib import Path
from typing import NamedTuple, Optional, Union

from espnet_mlclap.utils.atomic import atomic_open, make_dir
from espnet_mlclap.utils.errors import UserError

_MODEL_FILE = "model.json"  # in a library's folder: which model it was last used with


class KnownModel(NamedTuple):
    """The model that a library was last brought up to date with: where it was, and which checkpoint."""

    model_dir: str
    model_file: str


def libraries_dir() -> Path:
    """The folder of the user's libraries (`$XDG_DATA_HOME/mlclap` on Linux)."""
    import platformdirs

    return Path(platformdirs.user_data_dir("mlclap", appauthor=False)) / "libraries"


def library_of(fingerprint: str) -> Path:
    """The folder of a model's library, unless the user named another."""
    return libraries_dir() / fingerprint


def remember_model(library: Path, model: KnownModel) -> None:
    """Note which model a library was made with, so that later commands need not name it."""
    make_dir(library)
    with atomic_open(library / _MODEL_FILE) as file:
        json.dump(model._asdict(), file, indent=2)
        file.write("\n")


def last_model(library: Optional[Union[str, Path]] = None) -> KnownModel:
    """The model of a library, or of the one that was brought up to date last.

    Raises:
        UserError: there is none.
    """
    if library is not None:
        found = [Path(library) / _MODEL_FILE]
    else:
        found = sorted(libraries_dir().glob(f"*/{_MODEL_FILE}"), key=_changed)
    found = [path for path in found if path.is_file()]
    if not found:
        raise UserError(
            f"{library or libraries_dir()}: no library of recordings yet. Make one: "
            "mlclap index FOLDER --model_dir EXPERIMENT."
        )
    return KnownModel(**json.loads(found[-1].read_text(encoding="utf-8")))


def _changed(path: Path) -> int:
    return path.stat().st_mtime_ns
