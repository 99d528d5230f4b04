"""Tables of published files: what each is, where it is, what it is verified by.

A table is a YAML file with one row per file; `espnet_mlclap/checkpoints/table.yaml` says what each key means.
"""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Dict, Mapping, Optional, Union
from urllib.parse import quote, urlparse

from espnet_mlclap.utils.config import check_keys, check_mapping, read_yaml
from espnet_mlclap.utils.errors import UserError

_SOURCE_KEYS = {
    "hub": ("repository", "revision", "path"),
    "zenodo": ("record", "path"),
    "address": ("url",),
}
_HOSTS = {"hub": "https://huggingface.co", "zenodo": "https://zenodo.org"}


@dataclass(frozen=True)
class PublishedFile:
    """One row of a table, called `name`."""

    name: str
    what: str
    source: Mapping[str, Any]
    size: Optional[int]
    about: Optional[str]
    sha256: Optional[str]
    licence: Optional[str]

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
        """A page about it, for people."""
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
            "hub": "sha256 stated by the hub",
            "zenodo": "md5 stated by Zenodo's interface",
            "address": "length only: its publisher states no checksum",
        }[self.kind]


def read_published(path: Union[str, Path]) -> Dict[str, PublishedFile]:
    """Read a table.

    Raises:
        UserError: it is not a table as described; names the row and the key.
    """
    keys = [field.name for field in fields(PublishedFile) if field.name != "name"]
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
        published = PublishedFile(name=name, **row)
        if urlparse(published.url).scheme not in ("http", "https"):
            raise UserError(f"{where}: not an http address: {published.url}")
        table[name] = published
    return table


def by_hand(row: PublishedFile, target: Path) -> str:
    """What to fetch and where to put it, for a machine without a network."""
    size = f"{row.size:,} bytes, " if row.size else ""
    size = size or (f"{row.about}, " if row.about else "")
    checksum = f", sha256 {row.sha256}" if row.sha256 else ""
    return (
        f"Without a network: fetch {row.url} ({size}licence {row.licence or 'see its page'}{checksum}) "
        f"elsewhere, then put it at {target}."
    )


def unreachable(row: PublishedFile, target: Path, address: str, error: BaseException) -> UserError:
    """The error for a source that cannot be reached: says what to fetch and where to put it."""
    reason = getattr(error, "reason", None) or error
    return UserError(f"{row.name}: {address} cannot be reached ({reason}). {by_hand(row, target)}")
