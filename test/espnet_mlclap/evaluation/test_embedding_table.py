"""Tables of vectors: found by id, resumed after a kill, made again when what they come from has changed."""

import multiprocessing
import pickle
import time

import numpy as np
import pytest

from espnet_mlclap.evaluation.embedding_table import (
    EmbeddingTable,
    first_missing,
    is_made,
    make_table,
)
from espnet_mlclap.utils.errors import UserError

KEYS = sorted(
    [*(f"clip{number}" for number in range(30)), "clip", "été", "雨", "z" * 40],
    key=lambda key: key.encode("utf-8"),
)
ROWS = np.random.default_rng(0).normal(size=(len(KEYS), 5)).astype(np.float32)


def make(folder, identity="one", die_after=None, seen=None, keys=KEYS, rows=ROWS):
    """A table, computed in blocks of four from the last item on."""

    def embed(places):
        for start in range(0, len(places), 4):
            if die_after is not None and start >= die_after:
                raise KeyboardInterrupt
            if seen is not None:
                seen.extend(places[start : start + 4])
            yield rows[places[start : start + 4]]

    make_table(
        folder,
        identity=identity,
        keys=keys,
        size=5,
        order=range(len(keys) - 1, -1, -1),
        embed=embed,
        label="clips",
    )


def test_each_item_by_its_id(tmp_path):
    make(tmp_path / "t")
    table = EmbeddingTable(tmp_path / "t")
    order = np.random.default_rng(1).permutation(len(KEYS))
    rows = table.find([KEYS[place] for place in order])
    assert rows.tolist() == order.tolist()
    np.testing.assert_array_equal(table.vectors(rows), ROWS[order].astype(np.float16))
    assert table.vectors(rows).dtype == np.float32
    assert (len(table), table.size) == (len(KEYS), 5)


def test_what_is_not_there_is_not_found(tmp_path):
    make(tmp_path / "t")
    table = EmbeddingTable(tmp_path / "t")
    strangers = ["", "clip30", "clip1x", "zz", "z" * 41, "Clip1", "雨雨"]
    assert table.find(strangers).tolist() == [-1] * len(strangers)
    assert first_missing([table], ["clip1", "clip30", "clip31"]) == "clip30"
    make(tmp_path / "other", keys=["clip30"], rows=ROWS[:1])
    tables = [table, EmbeddingTable(tmp_path / "other")]
    assert first_missing(tables, ["clip1", "clip30"]) is None
    assert first_missing(tables, []) is None


def test_nothing_is_loaded_and_it_can_be_sent_to_other_processes(tmp_path):
    make(tmp_path / "t")
    table = EmbeddingTable(tmp_path / "t")
    assert all(isinstance(part, np.memmap) for part in (table._ids, table._rows))
    sent = pickle.dumps(table)
    assert len(sent) < 500
    assert pickle.loads(sent).find(["clip7"]) == table.find(["clip7"])


def test_after_a_kill_only_what_is_missing_is_computed(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        make(tmp_path / "t", die_after=12)
    assert not is_made(tmp_path / "t", "one")
    seen = []
    make(tmp_path / "t", seen=seen)
    assert sorted(seen) == list(range(len(KEYS) - 12))
    assert is_made(tmp_path / "t", "one")
    table = EmbeddingTable(tmp_path / "t")
    np.testing.assert_array_equal(table.vectors(table.find(KEYS)), ROWS.astype(np.float16))
    assert not (tmp_path / "t.partial").exists()


@pytest.mark.parametrize("complete", [True, False])
def test_another_model_or_other_data_make_it_again(tmp_path, complete):
    if complete:
        make(tmp_path / "t")
    else:
        with pytest.raises(KeyboardInterrupt):
            make(tmp_path / "t", die_after=12)
    seen = []
    make(tmp_path / "t", identity="two", seen=seen, rows=2 * ROWS)
    assert len(seen) == len(KEYS)
    table = EmbeddingTable(tmp_path / "t")
    np.testing.assert_array_equal(table.vectors(table.find(KEYS)), (2 * ROWS).astype(np.float16))
    seen.clear()
    make(tmp_path / "t", identity="two", seen=seen)
    assert seen == []


def test_nan_is_refused(tmp_path):
    bad = ROWS.copy()
    bad[3, 2] = np.nan
    with pytest.raises(UserError, match="NaN or infinity for some clips"):
        make(tmp_path / "t", rows=bad)
    assert not (tmp_path / "t").exists()


def _slowly(folder, log):
    rows = ROWS.copy()

    def embed(places):
        for place in places:
            time.sleep(0.01)
            with open(log, "a", encoding="utf-8") as file:
                file.write("x")
            yield rows[[place]]

    order = range(len(KEYS))
    make_table(folder, identity="i", keys=KEYS, size=5, order=order, embed=embed, label="clips")


def test_two_processes_make_it_once(tmp_path):
    context = multiprocessing.get_context("fork")
    arguments = (tmp_path / "t", tmp_path / "log")
    both = [context.Process(target=_slowly, args=arguments) for _ in range(2)]
    for process in both:
        process.start()
    for process in both:
        process.join()
    assert [process.exitcode for process in both] == [0, 0]
    assert len((tmp_path / "log").read_text()) == len(KEYS)


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("rows.npy", None, "no table of vectors"),
        ("ids.npy", b"nothing", "no table of vectors"),
        ("ids.npy", np.zeros(3), "broken"),
        ("ids.npy", np.array([b"a"]), "broken"),
    ],
)
def test_broken_tables_are_named(tmp_path, name, change, message):
    make(tmp_path / "t")
    path = tmp_path / "t" / name
    path.unlink()
    if isinstance(change, bytes):
        path.write_bytes(change)
    elif change is not None:
        np.save(path, change)
    with pytest.raises(UserError, match=f"{tmp_path / 't'}: {message}"):
        EmbeddingTable(tmp_path / "t")
