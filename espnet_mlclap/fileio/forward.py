"""Read a shard from front to back, from a disk or from an `http(s)://` address: large reads, no way back.

Of an address one request asks for all that follows (HTTP Range), which is read as it comes. A transfer that
breaks off goes on where it was, as often as bytes arrive; should the file there be another one by then (its
length, its ETag), that is an error.
"""

import contextlib
import http.client
import time
import urllib.request
from types import TracebackType
from typing import IO, Optional, Tuple, Type
from urllib.error import HTTPError, URLError

from espnet_mlclap.fileio.publisher import TIMEOUT, USER_AGENT
from espnet_mlclap.fileio.tar_members import BLOCK, MOST_BYTES, parse_header
from espnet_mlclap.utils.errors import UserError
from espnet_mlclap.utils.reading import regular_file
from espnet_mlclap.utils.shown import shown

_BUFFER = 1 << 20  # bytes read at once
_ATTEMPTS = 5  # in a row without a new byte
_PAUSE = 0.5  # seconds before the second attempt, doubled before each further one
_PASSING = (408, 425, 429, 500, 502, 503, 504)  # answers worth another attempt


def is_address(place: str) -> bool:
    """Whether this is an `http(s)://` address, not a path."""
    return place.startswith(("http://", "https://"))


class ForwardShard:
    """An open shard. A context manager.

    Args:
        place: path or address.
        size: bytes that it must have.
        start: of what will be read, the first byte.

    Raises:
        UserError: it is missing, cannot be reached, or has another size; also when it is read. Names `place`.
    """

    def __init__(self, place: str, size: int, start: int = 0):
        self.place = place
        self._size = size
        self._position = start
        self._etag: Optional[str] = None
        self._file: Optional[IO[bytes]] = None
        if not is_address(place):
            path = regular_file(place)
            self._check_size(path.stat().st_size)
            self._file = path.open("rb", buffering=_BUFFER)
            self._file.seek(start)

    def __enter__(self) -> "ForwardShard":
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        self._close()

    def member(self, offset: int) -> Tuple[str, bytes]:
        """Name and contents of the member whose header begins at `offset`, not before what was read last.

        Raises:
            UserError: no plain file begins there, or it does not end within the shard.
        """
        where = f"{shown(self.place)}:{offset}"
        if offset < self._position:
            raise ValueError(f"{where}: comes before what was read already")
        if offset + BLOCK > self._size:
            raise UserError(f"{where}: cannot be read, the archive ends before.")
        self._skip(offset - self._position)
        header = parse_header(self._read(BLOCK), where)
        if header.size > min(MOST_BYTES, self._size - self._position):
            raise UserError(
                f"{where}: {shown(header.name)} has {header.size:,} bytes, more than can be."
            )
        return header.name, self._read(header.size)

    def _check_size(self, found: int) -> None:
        if found != self._size:
            raise UserError(
                f"{shown(self.place)}: has {found:,} bytes, where the manifest says {self._size:,}: it is "
                "not the shard that stage 3 has written."
            )

    def _skip(self, count: int) -> None:
        if self._file is not None and not is_address(self.place):
            self._file.seek(self._position + count)
            self._position += count
            return
        while count:
            count -= len(self._read(min(count, _BUFFER)))

    def _read(self, count: int) -> bytes:
        found = bytearray()
        failures = 0
        while len(found) < count:
            try:
                if self._file is None:
                    self._file = self._request()
                piece = self._file.read(count - len(found))
                problem = "it ends early"
            except UserError:
                raise
            except (OSError, http.client.HTTPException) as error:  # URLError is an OSError
                piece, problem = b"", str(error) or type(error).__name__
            found += piece
            self._position += len(piece)
            if piece:
                failures = 0
                continue
            failures += 1
            if not is_address(self.place) or failures == _ATTEMPTS:
                raise UserError(
                    f"{shown(self.place)}: cannot be read after {self._position:,} of {self._size:,} bytes "
                    f"({problem})."
                )
            self._close()
            time.sleep(_PAUSE * 2 ** (failures - 1))
        return bytes(found)

    def _request(self) -> IO[bytes]:
        """Ask for everything from the present position on."""
        headers = {**USER_AGENT, "Range": f"bytes={self._position}-"}
        request = urllib.request.Request(self.place, headers=headers)
        try:
            response = urllib.request.urlopen(request, timeout=TIMEOUT)
        except HTTPError as error:
            if error.code in _PASSING:
                raise URLError(f"{error.code} {error.reason}") from error
            raise UserError(
                f"{shown(self.place)}: answered {error.code} {error.reason}."
            ) from error
        with contextlib.ExitStack() as stack:
            stack.callback(response.close)
            self._check_answer(response)
            if response.status != 206:  # a server without ranges sends all of it
                left = self._position
                while left:
                    left -= len(response.read(min(left, _BUFFER))) or left
            stack.pop_all()
        return response

    def _check_answer(self, response: http.client.HTTPResponse) -> None:
        size = response.headers.get("Content-Length", "")
        if response.status == 206:
            span, _, size = response.headers.get("Content-Range", "").partition("/")
            if span.partition("-")[0] != f"bytes {self._position}":
                raise UserError(
                    f"{shown(self.place)}: the server sends other bytes than were asked for."
                )
        if size.isdigit():
            self._check_size(int(size))
        etag = response.headers.get("ETag")
        if self._etag not in (None, etag):
            raise UserError(
                f"{shown(self.place)}: has been replaced while it was read. Start again."
            )
        self._etag = etag

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
