"""Shares of a table of vectors, made by jobs beside each other, and put together.

A share is a table of its own beside the whole, `<name>.3of8`, and goes on after a kill like any other.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Iterable, List, Sequence

import numpy as np

from espnet_mlclap.evaluation.embedding_table import EmbeddingTable, is_made, make_table
from espnet_mlclap.utils.shard import (
    Shard,
    all_shards,
    check_each_once,
    share_of,
    shares_beside,
)

_ROWS_AT_ONCE = 8192  # copied from the shares into the whole


@dataclass(frozen=True)
class SharedTable:
    """A table that may be made in shares, of the same vectors, since the same items are embedded together.

    Attributes:
        folder, identity, keys, size, order, embed, label: as in `make_table`.
        at_once: items in their order that are embedded together, or a multiple of it.
    """

    folder: Path
    identity: str
    keys: Sequence[str]
    size: int
    order: Sequence[int]
    embed: Callable[[List[int]], Iterable[np.ndarray]]
    label: str
    at_once: int

    def make_share(self, shard: Shard) -> None:
        """Make a share, or what is missing of one that was begun; nothing where it has no items."""
        own = [place for group in shard.of(self._groups()) for place in group]
        if not own:
            return
        places = sorted(own)
        row_of = {place: row for row, place in enumerate(places)}
        make_table(
            share_of(self.folder, shard),
            identity=self.identity,
            keys=[self.keys[place] for place in places],
            size=self.size,
            order=[row_of[place] for place in own],
            embed=lambda rows: self.embed([places[row] for row in rows]),
            label=self.label,
        )

    def make(self) -> None:
        """Make the table: of its shares, where some are there; otherwise all at once.

        Raises:
            UserError: an item is missing from the shares, or in two of them.
        """
        beside = shares_beside(self.folder)
        counts = [shard.count for shard, share in beside if is_made(share, self.identity)]
        make_table(
            self.folder,
            identity=self.identity,
            keys=self.keys,
            size=self.size,
            order=self.order,
            embed=self._from_shares(max(counts)) if counts else self.embed,
            label=self.label,
        )
        for _, share in shares_beside(self.folder):
            shutil.rmtree(share)
            share.with_name(f"{share.name}.lock").unlink(missing_ok=True)

    def _groups(self) -> List[Sequence[int]]:
        starts = range(0, len(self.order), self.at_once)
        return [self.order[start : start + self.at_once] for start in starts]

    def _from_shares(self, count: int) -> Callable[[List[int]], Iterable[np.ndarray]]:
        """What stands for `embed` where the shares have the vectors."""
        shards = all_shards(count)[: len(self._groups())]  # further ones have no items
        for shard in shards:
            self.make_share(shard)
        tables = [EmbeddingTable(share_of(self.folder, shard)) for shard in shards]
        found = [table.find(self.keys) for table in tables]
        check_each_once(
            self.folder, sum((rows >= 0).astype(int) for rows in found).tolist(), self.keys
        )

        def read(places: List[int]) -> Iterable[np.ndarray]:
            for start in range(0, len(places), _ROWS_AT_ONCE):
                some = places[start : start + _ROWS_AT_ONCE]
                block = np.empty((len(some), self.size), dtype=np.float32)
                for table, rows in zip(tables, found):
                    here = rows[some] >= 0
                    block[here] = table.vectors(rows[some][here])
                yield block

        return read
