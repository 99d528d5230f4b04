"""Tables of vectors from shares: the same as made at once, with the same items embedded together."""

import numpy as np
import pytest

from espnet_mlclap.evaluation.embedding_table import EmbeddingTable, make_table
from espnet_mlclap.evaluation.table_shares import SharedTable
from espnet_mlclap.utils.errors import UserError
from espnet_mlclap.utils.shard import Shard, all_shards, share_of, shares_beside

KEYS = sorted(f"clip{number}" for number in range(23))
ORDER = np.random.default_rng(0).permutation(len(KEYS)).tolist()
AT_ONCE = 4


class Embedder:
    """A vector tells which items it was embedded with; counts them, and may be killed."""

    def __init__(self, die_after=None):
        self.seen = []
        self.die_after = die_after

    def __call__(self, places):
        for start in range(0, len(places), AT_ONCE):
            if self.die_after is not None and start >= self.die_after:
                raise KeyboardInterrupt
            together = places[start : start + AT_ONCE]
            self.seen += together
            yield np.array([[place, sum(together), len(together)] for place in together], "f4")


def table(folder, embed, identity="one"):
    return SharedTable(
        folder=folder,
        identity=identity,
        keys=KEYS,
        size=3,
        order=ORDER,
        embed=embed,
        label="clips",
        at_once=AT_ONCE,
    )


@pytest.fixture
def at_once(tmp_path):
    folder = tmp_path / "at_once"
    make_table(
        folder, identity="one", keys=KEYS, size=3, order=ORDER, embed=Embedder(), label="clips"
    )
    return folder


def same(one, other):
    return all(
        (one / name).read_bytes() == (other / name).read_bytes() for name in ("rows.npy", "ids.npy")
    )


@pytest.mark.parametrize("count", [1, 3, 9])  # of nine, three have nothing to do
def test_from_shares_as_at_once(at_once, tmp_path, count):
    embed = Embedder()
    for shard in all_shards(count):
        table(tmp_path / "t", embed).make_share(shard)
    assert sorted(embed.seen) == list(range(len(KEYS)))
    table(tmp_path / "t", None).make()
    assert same(tmp_path / "t", at_once)
    assert shares_beside(tmp_path / "t") == []


def test_a_share_goes_on_after_a_kill_and_the_whole_makes_what_is_missing(at_once, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        table(tmp_path / "t", Embedder(die_after=8)).make_share(Shard(0, 2))
    embed = Embedder()
    table(tmp_path / "t", embed).make_share(Shard(0, 2))
    assert len(embed.seen) == 4  # of twelve
    table(tmp_path / "t", embed).make()
    assert len(embed.seen) == 4 + 11
    assert sorted(path.name for path in tmp_path.glob("t*")) == ["t", "t.lock"]
    assert same(tmp_path / "t", at_once)


def test_shares_of_something_else_are_not_used(at_once, tmp_path):
    table(tmp_path / "t", Embedder(), identity="other").make_share(Shard(0, 2))
    embed = Embedder()
    table(tmp_path / "t", embed).make()
    assert len(embed.seen) == len(KEYS)
    assert same(tmp_path / "t", at_once)


@pytest.mark.parametrize("times", ["missing", "several times"])
def test_a_hole_and_a_double_are_found(tmp_path, times):
    for shard in all_shards(2):
        table(tmp_path / "t", Embedder()).make_share(shard)
    share = share_of(tmp_path / "t", Shard(1, 2))
    ids = EmbeddingTable(share)._ids.copy()
    lost = ids[0]
    other = EmbeddingTable(share_of(tmp_path / "t", Shard(0, 2)))._ids[0]
    ids[0] = b"clip" if times == "missing" else other
    np.save(share / "ids.npy", np.sort(ids))
    if times == "missing":
        with pytest.raises(UserError, match=f"'{lost.decode()}' is missing"):
            table(tmp_path / "t", None).make()
    else:
        with pytest.raises(UserError, match="2 of 23 items are missing or there several times"):
            table(tmp_path / "t", None).make()
