"""The table of published weights, and where their files are on this machine.

A file is looked for under its name in `local_copies.yaml` of the cache folder (written by
`download_weights --use NAME=PATH`), then at `<cache>/<name>/<file>`. The cache folder is
`$MLCLAP_WEIGHTS`, or else `espnet_mlclap/weights` in `$XDG_CACHE_HOME` or `~/.cache`.
"""

import os
from pathlib import Path
from typing import Dict, Mapping, Optional, Union

import yaml

from espnet_mlclap.fileio.published import PublishedFile, by_hand, read_published
from espnet_mlclap.utils.atomic import atomic_open
from espnet_mlclap.utils.config import read_yaml
from espnet_mlclap.utils.errors import UserError

TABLE = Path(__file__).with_name("table.yaml")
COMMAND = "mlclap download_weights"
_LOCAL_COPIES = "local_copies.yaml"


def read_table(path: Union[str, Path] = TABLE) -> Dict[str, PublishedFile]:
    """Read the table of weights, by name (see `published.read_published`)."""
    return read_published(path)


def find_weights(name: str, table: Optional[Mapping[str, PublishedFile]] = None) -> PublishedFile:
    """The row of a name.

    Raises:
        UserError: there is none; lists the names there are.
    """
    table = read_table() if table is None else table
    if name not in table:
        raise UserError(f"{name}: no such file, and no such name among {', '.join(table)}.")
    return table[name]


def cache_dir() -> Path:
    """The folder where downloaded weights are; see the module's docstring."""
    if os.environ.get("MLCLAP_WEIGHTS"):
        return Path(os.environ["MLCLAP_WEIGHTS"])
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "espnet_mlclap" / "weights"


def cached_path(weights: PublishedFile) -> Path:
    """Where a download of these weights is put."""
    return cache_dir() / weights.name / weights.file


def local_copies() -> Dict[str, str]:
    """Names that the user has pointed at files of their own.

    Raises:
        UserError: the list is damaged.
    """
    path = cache_dir() / _LOCAL_COPIES
    if not path.exists():
        return {}
    try:
        return read_yaml(path)
    except UserError as error:
        raise UserError(f"{error} Correct or delete it.") from error


def use_local_copy(weights: PublishedFile, path: Optional[Union[str, Path]]) -> None:
    """Point a name at a file of the user's own from now on, or (None) at the cache again.

    Raises:
        UserError: there is no such file.
    """
    copies = local_copies()
    copies.pop(weights.name, None)
    if path is not None:
        path = Path(path).expanduser().resolve()
        if not path.is_file():
            raise UserError(f"{path}: no such file, so {weights.name} cannot be pointed at it.")
        copies[weights.name] = str(path)
    with atomic_open(cache_dir() / _LOCAL_COPIES) as file:
        yaml.safe_dump(copies, file, allow_unicode=True)


def located(weights: PublishedFile) -> Optional[Path]:
    """The file of these weights on this machine, or None."""
    copy = local_copies().get(weights.name)
    path = Path(copy) if copy else cached_path(weights)
    return path if path.is_file() else None


def resolve(name: str) -> Path:
    """Path of weights by name, without touching the network.

    Raises:
        UserError: no such name, or the file is not on this machine; says how to get it.
    """
    weights = find_weights(name)
    path = located(weights)
    if path is None:
        raise UserError(
            f"{name}: not on this machine. `{COMMAND} {name}` fetches it. "
            f"{by_hand(weights, cached_path(weights))} Or run `{COMMAND} --use {name}=PATH`."
        )
    return path
