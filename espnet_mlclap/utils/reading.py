"""Read a whole file, or say in one line why that cannot be done.

Files come from other people. What is no regular file is refused (a FIFO would be waited for without an end, a
device read without one), and JSON may be cut off, nested without measure or hold halves of characters.
"""

import json
import os
import re
import stat
from pathlib import Path
from typing import Any, Optional, Union

from espnet_mlclap.utils.errors import UserError
from espnet_mlclap.utils.shown import shown

# escape sequences of JSON: a character of two halves, half a one, and any other
_ESCAPE = re.compile(
    r"\\u[dD][89aAbB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})|\\."
)


def regular_file(path: Union[str, Path]) -> Path:
    """`path`, where a regular file is, or a link to one.

    Raises:
        UserError: nothing is there, or something else; says what.
    """
    path = Path(path)
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError) as error:  # ValueError: a name with a NUL
        reason = getattr(error, "strerror", None) or str(error)
        raise UserError(f"{shown(path)}: cannot be read ({reason}).") from error
    if not stat.S_ISREG(mode):
        what = "a folder" if stat.S_ISDIR(mode) else "a pipe, a socket or a device"
        raise UserError(f"{shown(path)}: cannot be read (it is {what}, not a file).")
    return path


def read_bytes(path: Union[str, Path]) -> bytes:
    """What a regular file holds.

    Raises:
        UserError: it cannot be read.
    """
    path = regular_file(path)
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"{shown(path)}: cannot be read ({error.strerror}).") from error


def read_text(path: Union[str, Path], encoding: str = "utf-8") -> str:
    """The text that a file holds.

    Raises:
        UserError: it cannot be read, or is not text in this encoding; names the line.
    """
    data = read_bytes(path)
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise UserError(f"{shown(path)}:{line}: not UTF-8. Convert the file to UTF-8.") from error


def read_json(path: Union[str, Path]) -> Any:
    """Read a JSON file.

    Raises:
        UserError: it cannot be read, or is not JSON; names the line.
    """
    text = read_text(path, "utf-8-sig")
    try:
        return parse_json(text)
    except json.JSONDecodeError as error:
        raise UserError(f"{shown(path)}:{error.lineno}: broken JSON ({error.msg}).") from error


def parse_json(text: str, nan: Any = None) -> Any:
    """The value that a JSON text stands for; NaN and the like, which are no JSON, stand for `nan`.

    Raises:
        JSONDecodeError: it is not JSON, is nested too deeply, holds a number of thousands of digits or half a
            character (an emoji that was cut in its middle); says where, except for the depth.
    """
    try:
        value = json.loads(text, parse_constant=lambda _: nan)
    except RecursionError as error:
        raise json.JSONDecodeError("nested too deeply", text, 0) from error
    except json.JSONDecodeError:
        raise
    except ValueError as error:
        raise json.JSONDecodeError(str(error), text, 0) from error
    half = _escaped_half(text) if "\\ud" in text.lower() else None
    if half is not None:
        raise json.JSONDecodeError(
            f"{text[half : half + 6]} is half a character, as when a text is cut in the middle of an emoji",
            text,
            half,
        )
    return value


def _escaped_half(text: str) -> Optional[int]:
    """Where an escape sequence for half a character is that has no other half."""
    return next((found.start() for found in _ESCAPE.finditer(text) if found.group(1)), None)
