"""What caption files hold: rows of CSV (RFC 4180, with a header line) or JSON Lines, or a JSON document."""

import csv
import io
import json
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Sequence, Union

from espnet_mlclap.utils.errors import UserError


class Row(NamedTuple):
    """where: file and line; values: the row by column, as text without white space around it."""

    where: str
    values: Dict[str, str]


def read_rows(
    path: Union[str, Path], columns: Sequence[str], encoding: str = "utf-8-sig"
) -> List[Row]:
    """Read `path`, JSON Lines if its name ends in .jsonl, else CSV.

    Args:
        path: the file. In CSV, line ends may be LF or CRLF and a byte order mark may lead.
        columns: columns that must be there and that must not be empty in any row.
        encoding: of the file; UTF-8 but for a few published ones.

    Raises:
        UserError: no such file, not UTF-8, no row, a missing column, a broken row, an empty value;
            names the line.
    """
    path = Path(path)
    text = _decode(path, encoding)
    rows = _json_rows(path, text) if path.suffix == ".jsonl" else _csv_rows(path, text, columns)
    if not rows:
        raise UserError(f"{path}: there is no row in it.")
    for row in rows:
        for column in columns:
            if column not in row.values:
                raise UserError(
                    f"{row.where}: there is no {column!r}. Columns needed: {', '.join(columns)}."
                )
            if not row.values[column]:
                raise UserError(
                    f"{row.where}: the {column} is empty. Fill it in or remove the row."
                )
    return rows


def read_json(path: Union[str, Path]) -> Any:
    """Read a JSON file.

    Raises:
        UserError: no such file, not UTF-8 or not JSON; names the line.
    """
    try:
        return json.loads(_decode(Path(path), "utf-8-sig"))
    except json.JSONDecodeError as error:
        raise UserError(f"{path}:{error.lineno}: broken JSON ({error.msg}).") from error


def one_line(text: str) -> str:
    """`text` with line breaks, and the white space around them, made single spaces."""
    return " ".join(part for part in (line.strip() for line in text.splitlines()) if part)


def _decode(path: Path, encoding: str) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}).") from error
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise UserError(f"{path}:{line}: not UTF-8. Convert the file to UTF-8.") from error


def _csv_rows(path: Path, text: str, columns: Sequence[str]) -> List[Row]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    rows: List[Row] = []
    header: List[str] = []
    end = 0
    try:
        for fields in reader:
            where, end = f"{path}:{end + 1}", reader.line_num
            if not fields:
                continue
            if not header:
                header = [name.strip() for name in fields]
                _check_header(header, columns, where)
            elif len(fields) != len(header):
                raise UserError(
                    f"{where}: {len(fields)} fields, but the header has {len(header)}. "
                    'A value with a comma needs quotes around it: "...".'
                )
            else:
                values = (one_line(field) for field in fields)
                rows.append(Row(where, dict(zip(header, values))))
    except csv.Error as error:
        raise UserError(f"{path}:{end + 1}: broken CSV ({error}).") from error
    return rows


def _check_header(header: Sequence[str], columns: Sequence[str], where: str) -> None:
    for column in columns:
        if column not in header:
            raise UserError(
                f"{where}: there is no column {column!r}; the columns are {', '.join(header)}. "
                f"Needed: {', '.join(columns)}."
            )
    if len(set(header)) != len(header):
        raise UserError(f"{where}: a column name appears twice in {', '.join(header)}.")


def _json_rows(path: Path, text: str) -> List[Row]:
    rows = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        where = f"{path}:{number}"
        try:
            values = json.loads(line)
        except json.JSONDecodeError as error:
            raise UserError(
                f"{where}: broken JSON ({error.msg}, character {error.colno})."
            ) from error
        if not isinstance(values, dict):
            raise UserError(f'{where}: not a JSON object {{"file_name": ..., "caption": ...}}.')
        texts = {name: value for name, value in values.items() if value is not None}
        for name, value in texts.items():
            if isinstance(value, (dict, list, bool)):
                raise UserError(f"{where}: the value of {name!r} must be text.")
        rows.append(Row(where, {name: one_line(str(value)) for name, value in texts.items()}))
    return rows
