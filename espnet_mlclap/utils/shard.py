"""A share of the work of a command, for jobs that do the shares beside each other: `--shard 3/8`.

Each job does its share and leaves it on disk; the same command without `--shard` then does what is missing,
puts the shares together and checks that nothing is missing or there twice.
"""

import argparse
import glob
import re
from pathlib import Path
from typing import List, NamedTuple, Sequence, Tuple, TypeVar

from espnet_mlclap.utils.errors import UserError

Item = TypeVar("Item")


class Shard(NamedTuple):
    """Share `index` (from 0) of `count`."""

    index: int
    count: int

    def __str__(self) -> str:
        return f"{self.index + 1}of{self.count}"

    def of(self, items: Sequence[Item]) -> List[Item]:
        """Its items: every `count`-th, so that shares are alike where neighbours are alike."""
        return list(items[self.index :: self.count])


def shard_option(value: str) -> Shard:
    """Type of the option `--shard I/N`, I from 1 to N."""
    found = re.fullmatch(r"(\d{1,6})/(\d{1,6})", value)
    if not found or not 1 <= int(found[1]) <= int(found[2]):
        raise argparse.ArgumentTypeError(f"must be like 3/8, the third of eight, not {value!r}")
    return Shard(int(found[1]) - 1, int(found[2]))


def add_shard_option(parser: argparse.ArgumentParser) -> None:
    """Add `--shard` to a command."""
    parser.add_argument(
        "--shard",
        type=shard_option,
        help="do only this share of the work, such as 3/8; once all are done, the command without --shard "
        "puts them together",
    )


def all_shards(count: int) -> List[Shard]:
    """The shares of which a whole consists."""
    return [Shard(index, count) for index in range(count)]


def share_of(path: Path, shard: Shard) -> Path:
    """Where a share of `path` is: beside it, as `<name>.3of8`."""
    return path.with_name(f"{path.name}.{shard}")


def shares_beside(path: Path) -> List[Tuple[Shard, Path]]:
    """The shares of `path` that are there, of any number."""
    found = []
    for share in sorted(path.parent.glob(f"{glob.escape(path.name)}.*of*")):
        name = re.fullmatch(r"(\d{1,6})of(\d{1,6})", share.name[len(path.name) + 1 :])
        if name:
            found.append((Shard(int(name[1]) - 1, int(name[2])), share))
    return found


def check_each_once(whole: Path, times: Sequence[int], names: Sequence[str]) -> None:
    """Make sure that a whole can be put together from its shares.

    Args:
        whole: what is put together.
        times: how many times each item is in the shares.
        names: of the items.

    Raises:
        UserError: an item is missing, or there several times; names the first.
    """
    wrong = [row for row, count in enumerate(times) if count != 1]
    if wrong:
        how = "there several times" if times[wrong[0]] else "missing"
        raise UserError(
            f"{whole}: of its shares, {len(wrong)} of {len(names)} items are missing or there several times; "
            f"{names[wrong[0]]!r} is {how}. Remove {whole.name}.*of* beside it, and they are made again."
        )
