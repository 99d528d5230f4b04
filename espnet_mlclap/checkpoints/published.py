"""What a source states about a file: its size, a checksum, a licence."""

import hashlib
import json
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional
from urllib.error import HTTPError, URLError

from espnet_mlclap.checkpoints.table import Weights, by_hand
from espnet_mlclap.utils.errors import UserError
from espnet_mlclap.utils.progress import progress_bar

TIMEOUT = 30.0  # seconds without a byte
USER_AGENT = {"User-Agent": "espnet_mlclap (download)"}
_MOST_BYTES = 10_000_000  # of an answer
_BLOCK = 1 << 20


@dataclass(frozen=True)
class Published:
    """Facts to hold a file against; None where nobody states them."""

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


def ask(weights: Weights) -> Published:
    """Size, checksum and licence of weights: from the table, else from the source's interface.

    The network is used only where the table has no checksum and the source has an interface.

    Raises:
        UserError: the source cannot be asked, or does not have the file.
    """
    if weights.sha256:
        return Published(weights.size, "sha256", weights.sha256.lower(), weights.licence)
    if weights.kind == "zenodo":
        return _ask_zenodo(weights)
    if weights.kind == "hub":
        return _ask_hub(weights)
    return Published(weights.size, None, None, weights.licence)


def _ask_zenodo(weights: Weights) -> Published:
    address = f"{weights.host}/api/records/{weights.source['record']}"
    record = _get_json(address, weights)
    try:
        files = {entry["key"]: entry for entry in record["files"]}
        entry = files.get(weights.source["path"])
        if entry is None:
            raise UserError(
                f"{weights.name}: {address} has no file {weights.source['path']}; "
                f"it has {', '.join(sorted(files))}."
            )
        algorithm, _, digest = entry["checksum"].partition(":")
        licence = (record["metadata"].get("license") or {}).get("id")
        return _published(weights, entry["size"], algorithm, digest, licence)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise _not_understood(address, weights, error) from error


def _ask_hub(weights: Weights) -> Published:
    source = weights.source
    address = f"{weights.host}/api/models/{source['repository']}/tree/{source['revision']}"
    listing = _get_json(address, weights)
    try:
        files = {entry["path"]: entry for entry in listing}
        entry = files.get(source["path"])
        if entry is None:
            raise UserError(
                f"{weights.name}: {address} has no file {source['path']}; "
                f"it has {', '.join(sorted(files))}."
            )
        lfs = entry["lfs"]
        return _published(weights, lfs["size"], "sha256", lfs["oid"], weights.licence)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise _not_understood(address, weights, error) from error


def _published(
    weights: Weights, size: Any, algorithm: str, digest: str, licence: Optional[str]
) -> Published:
    """Check the answer's form: a wrong one must not pass for "no checksum"."""
    size, digest = int(size), digest.lower().removeprefix("sha256:")
    lengths = {"sha256": 64, "md5": 32}
    if len(digest) != lengths[algorithm] or not set(digest) <= set("0123456789abcdef"):
        raise ValueError(f"not a checksum: {algorithm} {digest}")
    if weights.size is not None and weights.size != size:
        raise UserError(
            f"{weights.name}: its source states {size:,} bytes, our table {weights.size:,}: the file "
            "was replaced. Do not use it before somebody has looked into that."
        )
    return Published(size, algorithm, digest, weights.licence or licence)


def _get_json(address: str, weights: Weights) -> Any:
    request = urllib.request.Request(address, headers={**USER_AGENT, "Accept": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as response:
            return json.loads(response.read(_MOST_BYTES))
    except HTTPError as error:
        raise UserError(
            f"{weights.name}: {address} answered {error.code} {error.reason}, so the checksum cannot "
            "be learnt. Try again later."
        ) from error
    except ValueError as error:
        raise _not_understood(address, weights, error) from error
    except (URLError, OSError) as error:
        raise unreachable(address, weights, error) from error


def unreachable(address: str, weights: Weights, error: BaseException) -> UserError:
    """The error for a source that cannot be reached: says what to fetch and where to put it."""
    reason = getattr(error, "reason", None) or error
    return UserError(f"{weights.name}: {address} cannot be reached ({reason}). {by_hand(weights)}")


def _not_understood(address: str, weights: Weights, error: BaseException) -> UserError:
    return UserError(
        f"{weights.name}: {address} gave an answer that is not understood "
        f"({type(error).__name__}: {error}), so nothing can be verified. Try again later."
    )
