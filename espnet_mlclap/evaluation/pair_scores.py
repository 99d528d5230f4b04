"""Scores that a model of pairs gave to what the two towers found, and the file that holds them.

pair_scores.npz: `by` (who scored), `of` (a digest of the embeddings that were reranked), `t2a_items` and
`t2a_scores` [M, k] (k clips of each caption), and for each language `a2t_items_<lang>` and
`a2t_scores_<lang>` [N, k'] (k' captions of this language of each clip).
Items are rows of the embeddings of the same set, the most similar ones of the towers; where all are there,
their order does not matter.

Shapes: N clips, M captions.
"""

import hashlib
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, List, Union

import numpy as np

from espnet_mlclap.evaluation.embeddings import EmbeddingSet
from espnet_mlclap.evaluation.ranks import unit_rows
from espnet_mlclap.utils.atomic import atomic_open
from espnet_mlclap.utils.errors import UserError

FILE_NAME = "pair_scores.npz"
# captions times clips of the largest set of which all pairs are scored, unless another limit is asked for
MOST_PAIRS = 1_000_000
_PANEL_VALUES = 1 << 24  # similarities held at a time


@dataclass(frozen=True)
class Scored:
    """Items of each query with their scores; equal scores are level.

    Attributes:
        items: rows of the gallery, int64 [queries, k], no row twice for a query.
        scores: float32 [queries, k].
    """

    items: np.ndarray
    scores: np.ndarray


@dataclass(frozen=True)
class PairScores:
    """What a reranker said of a test set.

    Attributes:
        by: its name, with what it scored ("co_attention, top 50").
        t2a: clips of each caption [M, k].
        a2t: captions of each clip [N, k'], by language; rows of all captions of the set.
    """

    by: str
    t2a: Scored
    a2t: Dict[str, Scored]


def most_similar(queries: np.ndarray, gallery: np.ndarray, top: int) -> np.ndarray:
    """Rows of the gallery that are most similar to each query, the best first.

    Args:
        queries: [Q, E]; need not be of unit length.
        gallery: [G, E].
        top: how many; all where there are fewer.

    Returns:
        int64 [Q, min(top, G)]; of level rows the first ones.
    """
    queries, gallery = unit_rows(queries), unit_rows(gallery)
    top = min(top, len(gallery))
    panel = max(1, _PANEL_VALUES // len(gallery))
    found: List[np.ndarray] = []
    for start in range(0, len(queries), panel):
        similarity = queries[start : start + panel] @ gallery.T
        found.append(np.argsort(-similarity, axis=1, kind="stable")[:, :top])
    return np.concatenate(found).astype(np.int64)


def write_pair_scores(
    folder: Union[str, Path], scores: PairScores, embeddings: EmbeddingSet
) -> Path:
    """Write the scores of a set into `pair_scores.npz` in a folder.

    Args:
        folder: is made where it is not there.
        scores: of the set.
        embeddings: of the set, as they were reranked.
    """
    arrays = {"by": np.array(scores.by), "of": np.array(_digest(embeddings))}
    arrays.update(_arrays("t2a", "", scores.t2a))
    for lang, scored in scores.a2t.items():
        arrays.update(_arrays("a2t", f"_{lang}", scored))
    path = Path(folder) / FILE_NAME
    with atomic_open(path, "wb") as file:
        np.savez(file, **arrays)
    return path


def read_pair_scores(folder: Union[str, Path], embeddings: EmbeddingSet) -> PairScores:
    """Read the scores of a set.

    Args:
        folder: with `pair_scores.npz`.
        embeddings: of the set, as they were reranked.

    Raises:
        UserError: a file that is missing, broken, or of other embeddings.
    """
    path = Path(folder) / FILE_NAME
    again = "Run stage 6 again."
    try:
        with np.load(path, allow_pickle=False) as file:
            reranked = str(file["of"])
            scores = PairScores(
                str(file["by"]),
                _scored(file, "t2a", ""),
                {lang: _scored(file, "a2t", f"_{lang}") for lang in embeddings.languages},
            )
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise UserError(f"{path}: cannot be read as scores of pairs ({error}). {again}") from error
    if reranked != _digest(embeddings):
        raise UserError(f"{path}: of other embeddings than those in {embeddings.path}. {again}")
    for scored, queries, gallery in (
        (scores.t2a, len(embeddings.captions), len(embeddings.clips)),
        *((one, len(embeddings.clips), len(embeddings.captions)) for one in scores.a2t.values()),
    ):
        fits = scored.items.ndim == 2 and scored.items.shape == scored.scores.shape
        if not fits or len(scored.items) != queries or scored.items.max(initial=0) >= gallery:
            raise UserError(f"{path}: does not fit the embeddings in {embeddings.path}. {again}")
        if not np.isfinite(scored.scores).all():
            raise UserError(f"{path}: holds NaN or infinity. The reranker has diverged.")
    return scores


def _digest(embeddings: EmbeddingSet) -> str:
    """The same for the same vectors of the same clips and captions."""
    digest = hashlib.blake2b(digest_size=16)
    for part in (embeddings.clips, embeddings.captions):
        digest.update("\n".join(part).encode("utf-8") + b"\0")
    for rows in (embeddings.audio, embeddings.text):
        digest.update(np.ascontiguousarray(rows))
    return digest.hexdigest()


def _arrays(way: str, suffix: str, scored: Scored) -> Dict[str, np.ndarray]:
    return {
        f"{way}_items{suffix}": scored.items.astype(np.int32),
        f"{way}_scores{suffix}": scored.scores.astype(np.float32),
    }


def _scored(file: np.lib.npyio.NpzFile, way: str, suffix: str) -> Scored:
    return Scored(
        file[f"{way}_items{suffix}"].astype(np.int64),
        file[f"{way}_scores{suffix}"].astype(np.float32),
    )
