"""Shares of the embeddings of a test set, made by jobs beside each other, and put together.

A share is a folder `<set>.3of8` beside that of the set:

    audio.npy text.npy              the vectors that it has
    audio_rows.npy text_rows.npy    their rows in the whole
    identity                        what they were made from, as a hash; another one makes the share again
"""

import shutil
from pathlib import Path
from typing import Callable, Optional, Sequence, Union

import numpy as np

from espnet_mlclap.evaluation.embed_set import embedding_set, sorted_ids
from espnet_mlclap.evaluation.embedding_table import is_made
from espnet_mlclap.evaluation.embeddings import EmbeddingSet
from espnet_mlclap.fileio.arrays import read_array
from espnet_mlclap.fileio.data_dir import DataDir
from espnet_mlclap.utils.atomic import atomic_dir
from espnet_mlclap.utils.shard import Shard, all_shards, check_each_once, share_of, shares_beside

_KINDS = ("audio", "text")


class EmbeddingShares:
    """The shares of a set's embeddings.

    Args:
        folder: of the whole.
        identity: hash of what the embeddings are made from.
        embed: embeds the whole set, or a share of its batches with 0 in the rows of the others.
    """

    def __init__(
        self, folder: Path, identity: str, embed: Callable[[Optional[Shard]], EmbeddingSet]
    ):
        self.folder, self.identity, self.embed = folder, identity, embed

    def make(self, shard: Shard) -> None:
        """Make a share, unless it is there."""
        share = share_of(self.folder, shard)
        if is_made(share, self.identity):
            return
        embeddings = self.embed(shard)
        with atomic_dir(share) as aside:
            for kind in _KINDS:
                vectors = getattr(embeddings, kind)
                rows = np.flatnonzero(vectors.any(axis=1))  # the model gives unit vectors
                np.save(aside / f"{kind}_rows.npy", rows)
                np.save(aside / f"{kind}.npy", vectors[rows])
            (aside / "identity").write_text(f"{self.identity}\n", encoding="utf-8")

    def whole(self, data: DataDir, path: Union[str, Path]) -> EmbeddingSet:
        """The shares put together, where some are there; otherwise all at once.

        Args:
            data: the set.
            path: what messages about the embeddings will name.

        Raises:
            UserError: a vector is missing, or in two shares.
        """
        beside = shares_beside(self.folder)
        counts = [shard.count for shard, share in beside if is_made(share, self.identity)]
        if not counts:
            return self.embed(None)
        shards = all_shards(max(counts))
        for shard in shards:
            self.make(shard)
        audio = self._join(shards, "audio", sorted_ids(data.wav_scp))
        return embedding_set(
            data, path, audio, self._join(shards, "text", sorted_ids(data.captions))
        )

    def remove(self) -> None:
        """Remove them all, which are of no use once the whole is written."""
        for _, path in shares_beside(self.folder):
            shutil.rmtree(path)

    def _join(self, shards: Sequence[Shard], kind: str, names: Sequence[str]) -> np.ndarray:
        shares = [share_of(self.folder, shard) for shard in shards]
        rows = np.concatenate([read_array(share / f"{kind}_rows.npy") for share in shares])
        check_each_once(self.folder, np.bincount(rows, minlength=len(names)).tolist(), names)
        vectors = np.concatenate([read_array(share / f"{kind}.npy") for share in shares])
        whole = np.empty_like(vectors)
        whole[rows] = vectors
        return whole
