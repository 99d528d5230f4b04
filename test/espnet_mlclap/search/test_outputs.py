"""Hits as a table, JSON, CSV, a playlist and labels, each read back by a reader of its own."""

import csv
import io
import json

import pytest

from espnet_mlclap.search.hits import Hit
from espnet_mlclap.search.outputs import FORMATS, Answered, clock
from espnet_mlclap.search.stores.abs_store import Recording

NASTY = '/audio/a, "b"\n<img src=x>.wav'
LINE = NASTY.replace("\n", "\\n")
HITS = [
    Hit(Recording(1, NASTY, 0.0, 5.0), 0.0, 5.0, 0.75, 11, 0.0, 5.0),
    Hit(Recording(2, "/audio/long.flac", 0.0, 7300.0), 3723.5, 3741.25, 0.5, 12, 3730.0, 3740.0),
]
ANSWERS = [Answered("犬、\nrain", "jpn_Jpan", HITS)]


def test_table(monkeypatch, tmp_path):
    assert FORMATS["table"](ANSWERS).endswith(
        f"  0.750  {LINE}\n  0.500  /audio/long.flac  1:02:03.5-1:02:21.2\n"
    )
    monkeypatch.chdir(tmp_path)
    near = Hit(Recording(3, str(tmp_path / "b/c.wav"), 0.0, 5.0), 0.0, 5.0, 0.1, 1, 0.0, 5.0)
    assert "  0.100  b/c.wav\n" in FORMATS["table"]([Answered("x", "eng_Latn", [near])])


def test_json():
    (answer,) = json.loads(FORMATS["json"](ANSWERS))
    assert answer["query"] == "犬、\nrain"
    assert answer["hits"][0]["path"] == NASTY
    assert answer["hits"][1]["start"] == 3723.5
    assert answer["hits"][1]["window"] == 12


def test_csv():
    rows = list(csv.DictReader(io.StringIO(FORMATS["csv"](ANSWERS))))
    assert [row["path"] for row in rows] == [NASTY, "/audio/long.flac"]
    assert [row["rank"] for row in rows] == ["1", "2"]
    assert rows[0]["query"] == "犬、\nrain"


def test_playlist():
    lines = FORMATS["m3u"](ANSWERS).splitlines()
    assert lines[0] == "#EXTM3U"
    assert [line for line in lines if line[0] != "#"] == [LINE, "/audio/long.flac"]
    assert "#EXTVLCOPT:start-time=3723.500" in lines
    assert lines[1].startswith("#EXTINF:5,犬、 rain: ")


def test_labels():
    lines = FORMATS["audacity"](ANSWERS).splitlines()
    assert len(lines) == 2
    start, end, label = lines[1].split("\t")
    assert (float(start), float(end)) == (3723.5, 3741.25)
    assert label == "犬、 rain 0.500 long.flac"
    (line,) = FORMATS["audacity"]([Answered("x", "eng_Latn", HITS[1:])]).splitlines()
    assert line.endswith("\tx 0.500"), "labels of one recording need not name it"


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0, "0:00.0"), (59.96, "1:00.0"), (3599.99, "1:00:00.0"), (75.3, "1:15.3")],
)
def test_clock(seconds, shown):
    assert clock(seconds) == shown
