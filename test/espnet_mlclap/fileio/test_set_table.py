"""Data directories in columns: made, opened, out of date, broken, sent to another process."""

import logging
import os
import pickle

import numpy as np
import pytest

from espnet_mlclap.bin import make_tables
from espnet_mlclap.fileio.caption_columns import CaptionColumns
from espnet_mlclap.fileio.columns import Column, find_id, find_ids, id_array
from espnet_mlclap.fileio.data_dir import Caption, DataDir, write_table
from espnet_mlclap.fileio.set_table import make_set_table, read_set_table
from espnet_mlclap.utils.errors import UserError

CAPTIONS = {
    "b-1": Caption("A dog", "b", "eng_Latn"),
    "b-2": Caption("A dog", "b", "eng_Latn"),
    "a-1": Caption("犬", "a", "jpn_Jpan"),
    "ü-1": Caption("Ein Hund", "ü", "deu_Latn"),
}


@pytest.fixture
def folder(tmp_path):
    data = DataDir(captions=dict(CAPTIONS), extra={"utt2num_samples": {}})
    for number, clip in enumerate(("a", "b", "ü"), 1):
        data.wav_scp[clip] = f"/some where/{clip}.flac"
        data.extra["utt2num_samples"][clip] = str(number * 16000)
    data.caption_sources = {"b-2": "b-1"}
    data.write(tmp_path / "set")
    return tmp_path / "set"


def opened(folder, formatted=True):
    """The table, and whether it is on disk."""
    table = read_set_table(folder, formatted=formatted)
    return table, isinstance(table.caption_ids.base, np.memmap)


def test_what_is_opened_is_what_was_written(folder):
    assert not opened(folder)[1]
    assert make_set_table(folder)
    assert not make_set_table(folder)
    table, on_disk = opened(folder)
    assert on_disk
    captions = CaptionColumns([table])
    for one in (
        captions,
        pickle.loads(pickle.dumps(captions)),
        CaptionColumns([opened(folder)[0]]),
    ):
        assert one == CAPTIONS
        assert list(one) == sorted(CAPTIONS)
        assert [one.source(key) for key in sorted(CAPTIONS)] == ["a-1", "b-1", "b-1", "ü-1"]
        assert one.words("b-1") == one.words("b-2") != one.words("a-1")
        assert one.words_of_clip("b").tolist() == [one.words("b-1")]
        assert one.words_of_clip("nobody").tolist() == []
        assert one.most_of_a_clip() == 2
        assert one.langs == ["deu_Latn", "eng_Latn", "jpn_Jpan"]
        with pytest.raises(KeyError):
            one["b-3"]
    assert table.location("ü") == "/some where/ü.flac"
    assert table.location("o") is None
    assert len(pickle.dumps(captions)) < 1000


def test_some_languages_and_clips(folder):
    captions = CaptionColumns([opened(folder)[0]])
    assert set(captions.only(langs=["eng_Latn"])) == {"b-1", "b-2"}
    chosen = captions.only(clips=id_array(["a", "c", "ü"]))
    assert set(chosen) == {"a-1", "ü-1"}
    assert len(chosen) == 2
    assert chosen.langs == ["deu_Latn", "jpn_Jpan"]
    assert chosen.words_of_clip("b").tolist() == []
    assert "b-1" not in chosen


def test_of_two_tables_the_later_counts(folder):
    other = CaptionColumns.of({"b-1": Caption("A cat", "b", "eng_Latn")})
    joined = CaptionColumns.join([CaptionColumns([opened(folder)[0]]), other])
    assert joined == {**CAPTIONS, "b-1": Caption("A cat", "b", "eng_Latn")}
    assert len(joined) == 4


def test_tables_that_are_out_of_date_are_not_read(folder, caplog):
    make_set_table(folder)
    captions = {**CAPTIONS, "b-1": Caption("A cat", "b", "eng_Latn")}
    write_table(folder / "text", {key: caption.text for key, caption in captions.items()})
    table, on_disk = opened(folder)
    assert not on_disk
    assert CaptionColumns([table]) == captions
    assert "columns: out of date; the files of text are read instead" in caplog.text
    assert make_set_table(folder)
    table, on_disk = opened(folder)
    assert on_disk
    assert CaptionColumns([table]) == captions
    (folder / "utt2source").unlink()
    assert not opened(folder)[1]


def test_broken_tables_are_not_read(folder, caplog):
    make_set_table(folder)
    (folder / "columns" / "caption_ids.npy").write_bytes(b"\x93NUMPY")
    assert not opened(folder)[1]
    assert "columns: broken" in caplog.text
    assert make_set_table(folder)
    for about in ("{", "[]", "{}"):
        (folder / "columns" / "about.json").write_text(about, encoding="utf-8")
        assert not opened(folder)[1]


def test_what_text_lacks_is_named(folder):
    (folder / "utt2num_samples").unlink()
    with pytest.raises(UserError, match="utt2num_samples is missing. Run stage 3"):
        read_set_table(folder, formatted=True)
    make_set_table(folder)  # as translations are
    assert opened(folder, formatted=False)[1]
    with pytest.raises(UserError, match="utt2num_samples is missing. Run stage 3"):
        read_set_table(folder, formatted=True)
    with pytest.raises(UserError, match="nowhere"):
        make_set_table(folder / "nowhere")


def test_the_command(folder, caplog):
    caplog.set_level(logging.INFO)
    make_tables.make_tables(make_tables.get_parser().parse_args([os.fspath(folder)]))
    make_tables.make_tables(make_tables.get_parser().parse_args([os.fspath(folder)]))
    assert "set: tables made" in caplog.text
    assert "set: tables are up to date" in caplog.text


def test_ids_are_found():
    ids = id_array(["a", "ab", "b", "ü"])
    every = ["", "a", "aa", "ab", "abcdefghi", "b", "ü", "üü", "z"]
    rows = [["a", "ab", "b", "ü"].index(key) if key in "a ab b ü".split() else -1 for key in every]
    assert [find_id(ids, key) for key in every] == rows
    assert find_ids(ids, id_array(every)).tolist() == rows
    assert find_ids(id_array([]), id_array(every)).tolist() == [-1] * len(every)


def test_a_column_of_several():
    joined = Column.join([Column.of({"c": 1.0, "a": 2.0}), Column.of({"b": 3.0})])
    assert joined == {"a": 2.0, "b": 3.0, "c": 1.0}
    assert list(joined) == ["a", "b", "c"]
    assert Column.join([]) == {}
