"""What a source states about a file: its size, a checksum, a licence."""

import hashlib
import json
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional
from urllib.error import HTTPError, URLError

from espnet_mlclap.fileio.hub import ask_hub
from espnet_mlclap.fileio.published import PublishedFile, unreachable
from espnet_mlclap.utils.errors import UserError
from espnet_mlclap.utils.progress import progress_bar

TIMEOUT = 30.0  # seconds without a byte
USER_AGENT = {"User-Agent": "espnet_mlclap (download)"}
_MOST_BYTES = 10_000_000  # of an answer
_BLOCK = 1 << 20


@dataclass(frozen=True)
class Published:
    """Facts to check a file against; None where they are not stated."""

    size: Optional[int]  # bytes
    algorithm: Optional[str]  # "sha256" or "md5"
    digest: Optional[str]  # lower-case hexadecimal
    licence: Optional[str]

    def mismatch(self, path: Path) -> Optional[str]:
        """What is wrong with the file at `path`, in words; None if nothing is."""
        size = path.stat().st_size
        if self.size is not None and size != self.size:
            return f"it has {size:,} bytes where its publisher states {self.size:,}"
        if self.algorithm is not None:
            digest = file_digest(path, self.algorithm)
            if digest != self.digest:
                return f"its {self.algorithm} is {digest} where its publisher states {self.digest}"
        return None


def file_digest(path: Path, algorithm: str) -> str:
    """Checksum of a file, lower-case hexadecimal."""
    digest = hashlib.new(algorithm)
    total = path.stat().st_size // _BLOCK
    with path.open("rb") as file, progress_bar(f"checking {path.name}", total, "MiB") as bar:
        while block := file.read(_BLOCK):
            digest.update(block)
            bar.update(len(block) // _BLOCK)
    return digest.hexdigest()


def ask(row: PublishedFile, target: Path) -> Published:
    """Size, checksum and licence of a file: from the table, else from the source's interface.

    The network is used only where the table has no checksum and the source has an interface.

    Args:
        row: of a table.
        target: where the file goes, for errors.

    Raises:
        UserError: the source cannot be asked, or does not have the file.
    """
    if row.sha256:
        return Published(row.size, "sha256", row.sha256.lower(), row.licence)
    if row.kind == "zenodo":
        return _ask_zenodo(row, target)
    if row.kind == "hub":
        size, digest = ask_hub(row, target)
        return _published(row, size, "sha256", digest, row.licence)
    return Published(row.size, None, None, row.licence)


def _ask_zenodo(row: PublishedFile, target: Path) -> Published:
    address = f"{row.host}/api/records/{row.source['record']}"
    record = _get_json(address, row, target)
    try:
        files = {entry["key"]: entry for entry in record["files"]}
        entry = files.get(row.source["path"])
        if entry is None:
            raise UserError(
                f"{row.name}: {address} has no file {row.source['path']}; "
                f"it has {', '.join(sorted(files))}."
            )
        algorithm, _, digest = entry["checksum"].partition(":")
        licence = (record["metadata"].get("license") or {}).get("id")
        return _published(row, entry["size"], algorithm, digest, licence)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise _not_understood(address, row, error) from error


def _published(
    row: PublishedFile, size: Any, algorithm: str, digest: str, licence: Optional[str]
) -> Published:
    """Check the answer's form: a wrong one must not pass for "no checksum"."""
    size, digest = int(size), digest.lower()
    lengths = {"sha256": 64, "md5": 32}
    if len(digest) != lengths[algorithm] or not set(digest) <= set("0123456789abcdef"):
        raise ValueError(f"not a checksum: {algorithm} {digest}")
    if row.size is not None and row.size != size:
        raise UserError(
            f"{row.name}: its source states {size:,} bytes, our table {row.size:,}: the file "
            "was replaced. Do not use it until somebody has looked into this."
        )
    return Published(size, algorithm, digest, row.licence or licence)


def _get_json(address: str, row: PublishedFile, target: Path) -> Any:
    request = urllib.request.Request(address, headers={**USER_AGENT, "Accept": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as response:
            return json.loads(response.read(_MOST_BYTES))
    except HTTPError as error:
        raise UserError(
            f"{row.name}: {address} answered {error.code} {error.reason}, so the checksum cannot "
            "be learnt. Try again later."
        ) from error
    except ValueError as error:
        raise _not_understood(address, row, error) from error
    except (URLError, OSError) as error:
        raise unreachable(row, target, address, error) from error


def _not_understood(address: str, row: PublishedFile, error: BaseException) -> UserError:
    return UserError(
        f"{row.name}: {address} gave an answer that is not understood "
        f"({type(error).__name__}: {error}), so nothing can be verified. Try again later."
    )
