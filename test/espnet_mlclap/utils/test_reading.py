"""Files of others: pipes, devices, other encodings, JSON without measure."""

import json
import os

import pytest

from espnet_mlclap.utils.errors import UserError
from espnet_mlclap.utils.reading import parse_json, read_bytes, read_json, read_text


def test_what_is_no_file_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path, why in (
        (tmp_path / "pipe", "a pipe, a socket or a device"),
        ("/dev/zero", "a pipe, a socket or a device"),
        (tmp_path, "a folder"),
        (tmp_path / "absent", "No such file"),
        (tmp_path / ("n" * 300), "File name too long"),
        (f"{tmp_path}/a\0b", "null byte"),
    ):
        with pytest.raises(UserError, match=why):
            read_bytes(path)


def test_another_encoding_is_named_with_its_line(tmp_path):
    (tmp_path / "t").write_bytes(b"a\nb\ncaf\xe9\n")
    with pytest.raises(UserError, match="t:3: not UTF-8"):
        read_text(tmp_path / "t")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[" * 100_000, "nested too deeply"),
        ('{"a": ' * 50_000, "nested too deeply"),
        ("9" * 5000, "4300"),
        ('{"a": 1,}', "Expecting|Illegal"),
        (r'{"caption": "dog \ud83d"}', r"\\ud83d is half a character"),
        (r'{"caption": "\uDC36\uD83D"}', r"\\uDC36 is half a character"),
        ("", "Expecting value"),
    ],
)
def test_json_that_is_broken(tmp_path, text, why):
    with pytest.raises(json.JSONDecodeError, match=why):
        parse_json(text)
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(UserError, match=rf"x\.json:1: broken JSON \(.*({why})"):
        read_json(tmp_path / "x.json")


def test_json_that_is_right():
    assert parse_json(r'["\ud83d\udc36", "\\ud83d", NaN, 1e3]') == ["🐶", r"\ud83d", None, 1000.0]
