"""Single files of the Hugging Face hub, through its own library.

The library continues where a download was interrupted, follows mirrors (`HF_ENDPOINT`), tokens and the hub's
faster transfer, and takes what another program has left in the hub's cache.
"""

import contextlib
import re
from pathlib import Path
from typing import Iterator, Optional, Tuple

from espnet_mlclap.fileio.published import PublishedFile, by_hand, unreachable
from espnet_mlclap.utils.errors import UserError

_SHA256 = re.compile("[0-9a-f]{64}")  # the tag of a large file; a small file's is shorter


def ask_hub(row: PublishedFile, target: Path) -> Tuple[int, str]:
    """Length in bytes and sha256 that the hub states.

    Raises:
        UserError: it cannot be reached, does not have the file, or states no sha256.
    """
    from huggingface_hub import get_hf_file_metadata, hf_hub_url

    source, endpoint = row.source, _endpoint(row)
    with _explained(row, target):
        url = hf_hub_url(
            source["repository"], source["path"], revision=source["revision"], endpoint=endpoint
        )
        stated = get_hf_file_metadata(url, endpoint=endpoint)
    if stated.size is None or not _SHA256.fullmatch(stated.etag or ""):
        raise UserError(
            f"{row.name}: {url} states no length and sha256, so nothing can be verified. Try again later."
        )
    return stated.size, str(stated.etag)


def fetch_from_hub(row: PublishedFile, folder: Path, target: Path) -> Path:
    """Download into `folder`, which is kept from one try to the next.

    Args:
        row: of the kind `hub`.
        folder: for the file and the library's notes.
        target: where the file goes in the end, for errors.

    Returns:
        The whole file in `folder`, not verified.

    Raises:
        UserError: see `ask_hub`; or the download was interrupted.
    """
    from huggingface_hub import hf_hub_download

    source = row.source
    with _explained(row, target):
        path = hf_hub_download(
            source["repository"],
            source["path"],
            revision=source["revision"],
            local_dir=folder,
            endpoint=_endpoint(row),
        )
    return Path(path)


def _endpoint(row: PublishedFile) -> Optional[str]:
    return row.source.get("host")  # None: the library's own, or HF_ENDPOINT


@contextlib.contextmanager
def _explained(row: PublishedFile, target: Path) -> Iterator[None]:
    """Turn the library's errors into one that says what to do."""
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        yield
    except LocalEntryNotFoundError as error:  # its cause says why the hub did not answer
        raise unreachable(row, target, row.url, error.__cause__ or error) from error
    except HfHubHTTPError as error:
        status = getattr(error.response, "status_code", None)
        reason = f"answered {status}" if status else " ".join(str(error).split())
        raise UserError(f"{row.name}: {row.url}: {reason}. See {row.page}.") from error
    except OSError as error:  # broken off, or no room
        raise UserError(
            f"{row.name}: {row.url} does not deliver ({error}). What has arrived is kept; the same command "
            f"continues from there. {by_hand(row, target)}"
        ) from error
