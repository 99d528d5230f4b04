"""What caption files hold: rows of CSV (RFC 4180, with a header line) or JSON Lines."""

import csv
import io
import json
from pathlib import Path
from typing import Collection, Dict, List, NamedTuple, Sequence, Union

from espnet_mlclap.utils.errors import UserError
from espnet_mlclap.utils.reading import parse_json, read_text
from espnet_mlclap.utils.shown import shown


class Row(NamedTuple):
    """where: file and line; values: the row by column, as text on one line without white space around it."""

    where: str
    values: Dict[str, str]


def read_rows(
    path: Union[str, Path],
    columns: Sequence[str],
    encoding: str = "utf-8-sig",
    verbatim: Collection[str] = (),
) -> List[Row]:
    """Read `path`, JSON Lines if its name ends in .jsonl, else CSV.

    Args:
        path: the file. In CSV, line ends may be LF or CRLF and a byte order mark may lead.
        columns: columns that must be there and that must not be empty in any row.
        encoding: of the file; UTF-8 but for a few published ones.
        verbatim: columns that are left as they are: a name may begin or end with a blank.

    Columns without a name, as spreadsheets leave them at the right, are passed over.

    Raises:
        UserError: no such file, not UTF-8, no row, a missing column, a broken row, an empty value;
            names the line.
    """
    path = Path(path)
    text = read_text(path, encoding)
    if path.suffix == ".jsonl":
        rows = _json_rows(path, text, verbatim)
    else:
        rows = _csv_rows(path, text, columns, verbatim)
    if not rows:
        raise UserError(f"{path}: there is no row in it.")
    for row in rows:
        for column in columns:
            if column not in row.values:
                raise UserError(
                    f"{row.where}: there is no {column!r}. Columns needed: {', '.join(columns)}."
                )
            if not row.values[column].strip():
                raise UserError(
                    f"{row.where}: the {column} is empty. Fill it in or remove the row."
                )
    return rows


def one_line(text: str) -> str:
    """`text` with line breaks, and the white space around them, made single spaces."""
    return " ".join(part for part in (line.strip() for line in text.splitlines()) if part)


def _csv_rows(
    path: Path, text: str, columns: Sequence[str], verbatim: Collection[str]
) -> List[Row]:
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
                continue
            if len(fields) != len(header):
                raise UserError(
                    f"{where}: {len(fields)} fields, but the header has {len(header)}. {_why(fields, header)}"
                )
            values = {name: value for name, value in zip(header, fields) if name}
            rows.append(Row(where, _cleaned(values, verbatim)))
    except csv.Error as error:
        raise UserError(f"{path}:{end + 1}: broken CSV ({error}).") from error
    return rows


def _why(fields: Sequence[str], header: Sequence[str]) -> str:
    if len(fields) < len(header):
        return (
            "Is it the rest of a value that is broken over two lines? Then join it to the line before, or "
            'put quotes around the whole value: "...".'
        )
    return 'A value with a comma needs quotes around it: "...".'


def _cleaned(values: Dict[str, str], verbatim: Collection[str]) -> Dict[str, str]:
    return {name: value if name in verbatim else one_line(value) for name, value in values.items()}


def _check_header(header: Sequence[str], columns: Sequence[str], where: str) -> None:
    for column in columns:
        if column in header:
            continue
        for sign, name in ((";", "semicolons"), ("\t", "tabs")):
            if any(sign in text for text in header):
                raise UserError(
                    f"{where}: {name} stand between the fields. Save the table with commas between them."
                )
        raise UserError(
            f"{where}: there is no column {column!r}; the columns are {shown(', '.join(header))}. "
            f"Needed: {', '.join(columns)}."
        )
    named = [name for name in header if name]
    if len(set(named)) != len(named):
        raise UserError(f"{where}: a column name appears twice in {shown(', '.join(named))}.")


def _json_rows(path: Path, text: str, verbatim: Collection[str]) -> List[Row]:
    rows = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        where = f"{path}:{number}"
        try:
            values = parse_json(line)
        except json.JSONDecodeError as error:
            raise UserError(
                f"{where}: broken JSON ({error.msg}, character {error.colno})."
            ) from error
        if not isinstance(values, dict):
            raise UserError(f'{where}: not a JSON object {{"file_name": ..., "caption": ...}}.')
        texts = {name: value for name, value in values.items() if name and value is not None}
        for name, value in texts.items():
            if isinstance(value, (dict, list, bool)):
                raise UserError(f"{where}: the value of {shown(name)!r} must be text.")
        rows.append(
            Row(where, _cleaned({name: str(text) for name, text in texts.items()}, verbatim))
        )
    return rows
