"""Fetching weights and corpora: resumable, verified, and under their final name only when complete.

Files of the Hugging Face hub are fetched by its library (see `hub`), others here: a download goes to
`.<file>.part` next to its target. Interrupted, it continues from there (HTTP Range, with If-Range so that two
versions of a file are never mixed), in this run and in the next. A server that ignores ranges sends all of
it again. When the length and the checksum that the publisher states are
right, the file is renamed, and `<file>.json` next to it says where it came from.
"""

import contextlib
import fcntl
import http.client
import json
import os
import shutil
import time
import urllib.request
from datetime import datetime, timezone
from pathlib import Path
from typing import IO, Iterator, Optional
from urllib.error import HTTPError, URLError

from espnet_mlclap.fileio.hub import fetch_from_hub
from espnet_mlclap.fileio.published import PublishedFile, by_hand, unreachable
from espnet_mlclap.fileio.publisher import TIMEOUT, USER_AGENT, Published, ask, file_digest
from espnet_mlclap.utils.atomic import atomic_open, make_dir
from espnet_mlclap.utils.errors import UserError
from espnet_mlclap.utils.progress import progress_bar

_BLOCK = 1 << 18  # bytes read at a time
_ATTEMPTS = 5  # in a row without a single new byte
_PAUSE = 1.0  # seconds before the second attempt, doubled before each further one
_PASSING = (408, 425, 429, 500, 502, 503, 504)  # answers worth another attempt


class _BrokenOff(Exception):
    """The transfer ended early; what has arrived is kept."""


class _NoConnection(_BrokenOff):
    """No answer at all."""


class _StartOver(Exception):
    """What has arrived cannot be used; fetch it from the beginning."""


def download(row: PublishedFile, target: Path) -> Path:
    """Fetch a file, or verify it if it is there already.

    Args:
        row: of a table.
        target: where to put it.

    Returns:
        `target`, verified.

    Raises:
        UserError: no network, no such file, no room, or the bytes are not those published. Nothing is
            left under the final name then.
    """
    published = ask(row, target)
    if target.exists():
        wrong = published.mismatch(target)
        if wrong is None:
            return target
        raise UserError(f"{target}: {wrong}. Delete it and download {row.name} again.")
    make_dir(target.parent)
    if row.kind == "hub":
        folder = target.with_name(f".{target.name}.hub")
        whole = fetch_from_hub(row, folder, target)
        _accept(row, whole, target, published)
        shutil.rmtree(folder)
        return target
    part = target.with_name(f".{target.name}.part")
    with _locked(part) as file:
        resumed = file.tell() > 0
        _fetch_all(row, file, part, published, target)
        if resumed and published.mismatch(part) is not None:
            _empty(file)  # the earlier part may be the bad one
            _fetch_all(row, file, part, published, target)
        os.fsync(file.fileno())
        try:
            _accept(row, part, target, published)
        finally:
            _etag_path(part).unlink(missing_ok=True)
    return target


def _accept(row: PublishedFile, whole: Path, target: Path, published: Published) -> None:
    """Give a file its name if its bytes are those published; delete it otherwise."""
    wrong = published.mismatch(whole)
    if wrong is not None:
        whole.unlink()
        raise UserError(
            f"{row.name}: what {row.url} sends is not the published file: {wrong}. "
            "It was deleted. Try again; if it happens again, do not use that source."
        )
    _write_receipt(row, target, whole, published)
    os.replace(whole, target)


def receipt_path(target: Path) -> Path:
    """The file that says where a download came from."""
    return target.with_name(f"{target.name}.json")


@contextlib.contextmanager
def _locked(part: Path) -> Iterator[IO[bytes]]:
    """Open the partial file for appending, for this process alone."""
    with part.open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UserError(f"{part}: another process is downloading it. Wait for that.") from error
        yield file


def _fetch_all(
    row: PublishedFile, file: IO[bytes], part: Path, published: Published, target: Path
) -> None:
    """Append to `file` until it is complete, trying again as long as bytes arrive."""
    failures, answered, most = 0, False, file.tell()
    while file.tell() != published.size:
        try:
            _fetch(row, file, part, published)
            break
        except _NoConnection as reason:
            if not answered:  # most likely there is no network: say so at once
                raise unreachable(row, target, row.url, reason) from reason
            problem = str(reason)
        except _BrokenOff as reason:
            answered, problem = True, str(reason)
        except _StartOver as reason:
            answered, problem = True, str(reason)
            _empty(file)
            _etag_path(part).unlink(missing_ok=True)
        # further than ever before is progress; the same bytes once more are not
        failures = 1 if file.tell() > most else failures + 1
        most = max(most, file.tell())
        if failures >= _ATTEMPTS:
            raise UserError(
                f"{row.name}: {row.url} does not deliver ({problem}), {_ATTEMPTS} times in a "
                f"row. {file.tell():,} bytes are kept; the same command continues from there. "
                f"{by_hand(row, target)}"
            )
        time.sleep(_PAUSE * 2 ** (failures - 1))
    file.flush()


def _fetch(row: PublishedFile, file: IO[bytes], part: Path, published: Published) -> None:
    """One request.

    Raises:
        _BrokenOff, _StartOver: try again.
        UserError: trying again does not help.
    """
    have = file.tell()
    etag_path = _etag_path(part)
    headers = dict(USER_AGENT)
    if have:
        headers["Range"] = f"bytes={have}-"
        if etag_path.exists():
            headers["If-Range"] = etag_path.read_text(encoding="utf-8")
    request = urllib.request.Request(row.url, headers=headers)
    try:
        response = urllib.request.urlopen(request, timeout=TIMEOUT)
    except HTTPError as error:
        if error.code == 416:
            if error.headers.get("Content-Range") == f"bytes */{have}":
                return  # it was complete already
            raise _StartOver(f"it has no bytes from {have:,} on") from error
        if error.code in _PASSING:
            raise _BrokenOff(f"{error.code} {error.reason}") from error
        raise UserError(
            f"{row.name}: {row.url} answered {error.code} {error.reason}. See {row.page}."
        ) from error
    except URLError as error:
        raise _NoConnection(str(error.reason)) from error
    except (OSError, http.client.HTTPException) as error:
        raise _BrokenOff(_words(error)) from error
    with response:
        if have and response.status != 206:
            _empty(file)  # the server ignores ranges, or has another version by now
            have = 0
        total = _total(response, have, published, row)
        etag = response.headers.get("ETag", "")
        if etag and not etag.startswith("W/"):
            etag_path.write_text(etag, encoding="utf-8")
        _check_room(part, total, have)
        _copy(response, file, total, row)


def _total(
    response: http.client.HTTPResponse, have: int, published: Published, row: PublishedFile
) -> Optional[int]:
    """Length of the whole file by what the server and the publisher state; None if neither does.

    Raises:
        _StartOver: the server sends another range than was asked for.
        UserError: server and publisher contradict each other.
    """
    stated = None
    if response.status == 206:
        unit, _, rest = response.headers.get("Content-Range", "").partition(" ")
        span, _, whole = rest.partition("/")
        if unit != "bytes" or span.partition("-")[0] != str(have):
            raise _StartOver(f"asked for bytes from {have:,} on, got '{unit} {rest}'")
        stated = int(whole) if whole.isdigit() else None
    elif response.headers.get("Content-Length", "").isdigit():
        stated = int(response.headers["Content-Length"])
    if None not in (stated, published.size) and stated != published.size:
        raise UserError(
            f"{row.name}: {row.url} would send {stated:,} bytes where its publisher states "
            f"{published.size:,}. Try again later; if this persists, do not use that source."
        )
    return published.size if stated is None else stated


def _copy(
    response: http.client.HTTPResponse, file: IO[bytes], total: Optional[int], row: PublishedFile
) -> None:
    """Append the answer's body to `file`."""
    megabyte = 1_000_000
    bar_total = total // megabyte if total else None
    with progress_bar(f"downloading {row.name}", bar_total, "MB") as bar:
        while block := _read(response):
            file.write(block)
            bar.update(file.tell() // megabyte - bar.n)
            if total is not None and file.tell() > total:
                raise _StartOver(f"more than the {total:,} bytes stated arrived")
    file.flush()
    if total is not None and file.tell() < total:
        raise _BrokenOff(f"{file.tell():,} of {total:,} bytes arrived")


def _read(response: http.client.HTTPResponse) -> bytes:
    try:
        return response.read(_BLOCK)
    except (OSError, http.client.HTTPException) as error:
        raise _BrokenOff(_words(error)) from error


def _words(error: BaseException) -> str:
    return str(error) or type(error).__name__


def _empty(file: IO[bytes]) -> None:
    file.truncate(0)
    file.seek(0)


def _check_room(part: Path, total: Optional[int], have: int) -> None:
    free = shutil.disk_usage(part.parent).free
    if total is not None and total - have > free:
        raise UserError(
            f"{part.parent}: {total - have:,} bytes are needed and {free:,} free. Make room, or give "
            "another folder (for weights, MLCLAP_WEIGHTS)."
        )


def _etag_path(part: Path) -> Path:
    return part.with_name(f"{part.name}.etag")


def _write_receipt(row: PublishedFile, target: Path, part: Path, published: Published) -> None:
    receipt = {
        "name": row.name,
        "url": row.url,
        "licence": published.licence,
        "size": part.stat().st_size,
        "sha256": file_digest(part, "sha256"),
        "verified": f"{published.algorithm} {published.digest}" if published.digest else None,
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
    }
    with atomic_open(receipt_path(target)) as file:
        json.dump(receipt, file, indent=2)
        file.write("\n")
