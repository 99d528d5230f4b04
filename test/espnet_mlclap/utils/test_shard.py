"""Shares of work: all of it, each piece once."""

import argparse
from pathlib import Path

import pytest

from espnet_mlclap.utils.errors import UserError
from espnet_mlclap.utils.shard import (
    Shard,
    all_shards,
    check_each_once,
    shard_option,
    share_of,
    shares_beside,
)


@pytest.mark.parametrize("count", [1, 3, 7, 20])
def test_the_shares_are_the_whole(count):
    items = list("abcdefghijk")
    parts = [shard.of(items) for shard in all_shards(count)]
    assert sorted(item for part in parts for item in part) == items
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_the_option_counts_from_one():
    assert shard_option("3/8") == Shard(2, 8)
    assert str(Shard(2, 8)) == "3of8"
    for wrong in ("0/8", "9/8", "3", "3of8", "a/b", "-1/2", ""):
        with pytest.raises(argparse.ArgumentTypeError, match="3/8"):
            shard_option(wrong)


def test_shares_are_found_beside_the_whole(tmp_path):
    whole = tmp_path / "a[1].x"
    for shard in all_shards(2):
        share_of(whole, shard).mkdir()
    for name in ("a[1].x.3of8.tmp", "a[1].x", "a1.x.1of2", ".a[1].x.1of2.k.tmp"):
        (tmp_path / name).touch()
    assert shares_beside(whole) == [(shard, share_of(whole, shard)) for shard in all_shards(2)]
    assert shares_beside(tmp_path / "no/where") == []


def test_holes_and_doubles_are_named():
    check_each_once(Path("w"), [1, 1], ["a", "b"])
    with pytest.raises(UserError, match=r"w: .* 1 of 2 items .*'b' is missing\. Remove w\.\*of\*"):
        check_each_once(Path("w"), [1, 0], ["a", "b"])
    with pytest.raises(UserError, match="'a' is there several times"):
        check_each_once(Path("w"), [2, 1], ["a", "b"])
