"""Rows as Hugging Face data sets give them: into shards, and out of them again."""

import io

import numpy as np
import pytest
import soundfile

from espnet_mlclap.corpora.rows_to_shards import write_rows
from espnet_mlclap.corpora.webdataset import read_shards
from espnet_mlclap.fileio.audio import read_mono
from espnet_mlclap.utils.errors import UserError


@pytest.fixture
def rows(tmp_path):
    """Seven rows; the sound of the last one is in a file."""
    rows = []
    for number in range(7):
        file = io.BytesIO()
        soundfile.write(
            file, np.full(100 + number, 0.25), 16000, format="OGG" if number == 1 else "WAV"
        )
        audio = {"bytes": file.getvalue(), "path": ["a.wav", "b.ogg", None, "d"][number % 4]}
        if number == 6:
            (tmp_path / "x.wav").write_bytes(file.getvalue())
            audio = {"bytes": None, "path": str(tmp_path / "x.wav")}
        rows.append(
            {"audio": audio, "text": f"rain {number}", "fr": [f"é{number}", "x"], "kind": number}
        )
    return rows


COLUMNS = {"eng_Latn": "text", "fra_Latn": "fr"}


def test_every_row_comes_back(rows, tmp_path):
    assert (
        write_rows(iter(rows), tmp_path / "s", captions=COLUMNS, label="kind", clips_per_shard=3)
        == 7
    )
    assert [path.name for path in sorted((tmp_path / "s").iterdir())] == [
        "000000.tar",
        "000001.tar",
        "000002.tar",
    ]
    data = read_shards(tmp_path / "s")
    lengths = {clip: len(read_mono(place)) for clip, place in data.wav_scp.items()}
    assert lengths == {f"{number:09d}": 100 + number for number in range(7)}
    for number in range(7):
        texts = [(one.lang, one.text) for one in data.captions.values() if int(one.clip) == number]
        assert texts == [
            ("eng_Latn", f"rain {number}"),
            ("fra_Latn", f"é{number}"),
            ("fra_Latn", "x"),
        ]
        assert data.labels[f"{number:09d}"] == str(number)


def test_it_goes_on_after_the_last_shard(rows, tmp_path):
    write_rows(rows, tmp_path / "whole", captions=COLUMNS, clips_per_shard=3)

    def broken():
        yield from rows[:5]
        raise OSError("no network")

    with pytest.raises(OSError, match="no network"):
        write_rows(broken(), tmp_path / "s", captions=COLUMNS, clips_per_shard=3)
    assert [path.name for path in (tmp_path / "s").iterdir()] == ["000000.tar"]
    write_rows(rows, tmp_path / "s", captions=COLUMNS, clips_per_shard=3)
    for path in (tmp_path / "whole").iterdir():
        assert path.read_bytes() == (tmp_path / "s" / path.name).read_bytes()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"audio": np.zeros(5)}, "row 2: ndarray is no file of sound"),
        (
            {"audio": {"array": np.zeros(5), "sampling_rate": 16000}},
            "row 2: dict is no file of sound",
        ),
        ({"text": " ", "fr": None}, "row 2: has no caption in text, fr"),
    ],
)
def test_a_row_that_cannot_be_used_is_named(rows, tmp_path, change, message):
    rows[2].update(change)
    with pytest.raises(UserError, match=message):
        write_rows(rows, tmp_path / "s", captions=COLUMNS)
    del rows[2]["audio"]
    with pytest.raises(UserError, match="row 2: has no 'audio'; it has text, fr, kind"):
        write_rows(rows, tmp_path / "s", captions=COLUMNS)
    with pytest.raises(UserError, match="captions: "):
        write_rows(rows, tmp_path / "s", captions={"xx": "text"})
    assert not list((tmp_path / "s").glob("*.tar"))
