"""The table of published weights, and where their files lie on this machine.

A file is looked for under its name in `local_copies.yaml` of the cache folder (written by
`download_weights --use NAME=PATH`), then at `<cache>/<name>/<file>`. The cache folder is
`$MLCLAP_WEIGHTS`, or else `espnet_mlclap/weights` in `$XDG_CACHE_HOME` or `~/.cache`.
"""

import os
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Dict, Mapping, Optional, Union
from urllib.parse import quote, urlparse

import yaml

from espnet_mlclap.utils.atomic import atomic_open
from espnet_mlclap.utils.config import check_keys, check_mapping, read_yaml
from espnet_mlclap.utils.errors import UserError

TABLE = Path(__file__).with_name("table.yaml")
COMMAND = "mlclap download_weights"
_LOCAL_COPIES = "local_copies.yaml"
_SOURCE_KEYS = {
    "hub": ("repository", "revision", "path"),
    "zenodo": ("record", "path"),
    "address": ("url",),
}
_HOSTS = {"hub": "https://huggingface.co", "zenodo": "https://zenodo.org"}


@dataclass(frozen=True)
class Weights:
    """One row of the table; the file's comments say what each key means."""

    name: str
    what: str
    source: Mapping[str, Any]
    size: Optional[int]
    about: Optional[str]
    sha256: Optional[str]
    licence: Optional[str]
    target: Optional[Path] = None  # where it is put, if not in the cache; not in the table's file

    @property
    def kind(self) -> str:
        """`hub`, `zenodo` or `address`."""
        return self.source["kind"]

    @property
    def host(self) -> str:
        """Scheme and host of the source's interface, for a hub or Zenodo."""
        return self.source.get("host", _HOSTS.get(self.kind, ""))

    @property
    def url(self) -> str:
        """Where the file is downloaded from."""
        if self.kind == "address":
            return self.source["url"]
        path = quote(self.source["path"])
        if self.kind == "zenodo":
            return f"{self.host}/records/{self.source['record']}/files/{path}?download=1"
        return f"{self.host}/{self.source['repository']}/resolve/{self.source['revision']}/{path}"

    @property
    def page(self) -> str:
        """A page that tells people about it."""
        if self.kind == "zenodo":
            return f"{self.host}/records/{self.source['record']}"
        if self.kind == "hub":
            return f"{self.host}/{self.source['repository']}"
        return self.url

    @property
    def file(self) -> str:
        """Name of the file."""
        return Path(self.source.get("path") or urlparse(self.url).path).name

    @property
    def verification(self) -> str:
        """How a download is verified, in words."""
        if self.sha256:
            return "sha256 in the table"
        return {
            "hub": "sha256 stated by the hub's interface",
            "zenodo": "md5 stated by Zenodo's interface",
            "address": "length only: its publisher states no checksum",
        }[self.kind]


def read_table(path: Union[str, Path] = TABLE) -> Dict[str, Weights]:
    """Read the table.

    Raises:
        UserError: it is not a table as described; names the row and the key.
    """
    keys = [field.name for field in fields(Weights) if field.name not in ("name", "target")]
    table = {}
    for name, row in read_yaml(path).items():
        where = f"{path}: {name}"
        check_keys(check_mapping(row, where), keys, where, required=keys)
        where += ": source"
        source = check_mapping(row["source"], where)
        kind = source.get("kind")
        if kind not in _SOURCE_KEYS:
            raise UserError(
                f"{where}: kind must be one of {', '.join(_SOURCE_KEYS)}, not {kind!r}."
            )
        wanted = _SOURCE_KEYS[kind]
        check_keys(source, ("kind", "host", *wanted), where, required=wanted)
        weights = Weights(name=name, **row)
        if urlparse(weights.url).scheme not in ("http", "https"):
            raise UserError(f"{where}: not an http address: {weights.url}")
        table[name] = weights
    return table


def find_weights(name: str, table: Optional[Mapping[str, Weights]] = None) -> Weights:
    """The row of a name.

    Raises:
        UserError: there is none; lists the names there are.
    """
    table = read_table() if table is None else table
    if name not in table:
        raise UserError(f"{name}: no such file, and no such name among {', '.join(table)}.")
    return table[name]


def cache_dir() -> Path:
    """The folder where downloaded weights lie; see the module's docstring."""
    if os.environ.get("MLCLAP_WEIGHTS"):
        return Path(os.environ["MLCLAP_WEIGHTS"])
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "espnet_mlclap" / "weights"


def cached_path(weights: Weights, cache: Optional[Path] = None) -> Path:
    """Where a download of these weights is put."""
    return weights.target or (cache or cache_dir()) / weights.name / weights.file


def local_copies(cache: Optional[Path] = None) -> Dict[str, str]:
    """Names that the user has pointed at files of their own.

    Raises:
        UserError: the list is damaged.
    """
    path = (cache or cache_dir()) / _LOCAL_COPIES
    if not path.exists():
        return {}
    try:
        return read_yaml(path)
    except UserError as error:
        raise UserError(f"{error} Mend or delete it.") from error


def use_local_copy(
    weights: Weights, path: Optional[Union[str, Path]], cache: Optional[Path] = None
) -> None:
    """Point a name at a file of the user's own from now on, or (None) at the cache again.

    Raises:
        UserError: there is no such file.
    """
    copies = local_copies(cache)
    copies.pop(weights.name, None)
    if path is not None:
        path = Path(path).expanduser().resolve()
        if not path.is_file():
            raise UserError(f"{path}: no such file, so {weights.name} cannot be pointed at it.")
        copies[weights.name] = str(path)
    with atomic_open((cache or cache_dir()) / _LOCAL_COPIES) as file:
        yaml.safe_dump(copies, file, allow_unicode=True)


def located(weights: Weights, cache: Optional[Path] = None) -> Optional[Path]:
    """The file of these weights on this machine, or None."""
    copy = local_copies(cache).get(weights.name)
    path = Path(copy) if copy else cached_path(weights, cache)
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
            f"{name}: not on this machine. `{COMMAND} {name}` fetches it. {by_hand(weights)}"
        )
    return path


def by_hand(weights: Weights, cache: Optional[Path] = None) -> str:
    """What to fetch and where to put it, for a machine without a network."""
    size = f"{weights.size:,} bytes, " if weights.size else ""
    size = size or (f"{weights.about}, " if weights.about else "")
    checksum = f", sha256 {weights.sha256}" if weights.sha256 else ""
    other_way = "" if weights.target else f" or run `{COMMAND} --use {weights.name}=PATH`"
    return (
        f"Without a network: fetch {weights.url} ({size}licence {weights.licence or 'see its page'}"
        f"{checksum}) elsewhere, then put it at {cached_path(weights, cache)}{other_way}."
    )
