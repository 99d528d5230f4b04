"""Metrics of a reranked test set beside those of the two towers, with the significance of the difference.

The final list of a query is what the reranker scored, by its scores, and then everything else in the order of
the towers: a clip that the towers did not find among the first k keeps its place behind them. Ties count as
in `metrics.py`, with their expected value.
"""

from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

import numpy as np

from espnet_mlclap.evaluation.confidence import REPLICATES, bootstrap_intervals
from espnet_mlclap.evaluation.embeddings import EmbeddingSet
from espnet_mlclap.evaluation.metrics import (
    DCASE_MAP_AT,
    MAP_AT,
    Places,
    QueryValues,
    query_values,
    values_of_ranks,
)
from espnet_mlclap.evaluation.pair_scores import PairScores, Scored
from espnet_mlclap.evaluation.paired import paired_differences
from espnet_mlclap.evaluation.ranks import PairRanks, pair_ranks
from espnet_mlclap.evaluation.scores import SetScores

_CHUNK_VALUES = 1 << 22  # scores looked through at a time


def add_reranked(
    scores: SetScores,
    embeddings: EmbeddingSet,
    pair_scores: PairScores,
    *,
    replicates: int = REPLICATES,
    seed: int = 0,
    relevant: Optional[Mapping[str, Sequence[str]]] = None,
) -> None:
    """Add what the reranker makes of a set to its scores, as `scores[lang]["reranked"][pair_scores.by]`.

    {"t2a": {...}, "a2t": {...}} as those of the towers; with replicates "intervals", and "difference": of
    each metric [reranked minus towers, low, high], paired over the same queries; with lists of relevant clips
    "multiple_positives" with the same keys, text to audio only.

    Args:
        scores: of the two towers, from `score_set` with the same arguments.
        embeddings: of the two towers, whose order is kept behind what was scored.
        pair_scores: of the reranker.
        replicates: bootstrap samples; 0 for neither intervals nor differences.
        seed: of the bootstrap.
        relevant: clip ids by caption id.
    """
    clip_rows = {clip: row for row, clip in enumerate(embeddings.clips)}
    for lang, entry in scores.items():
        rows = embeddings.rows_of_language(lang)
        own_pairs = np.arange(len(rows)), embeddings.caption_to_clip[rows]
        before, after = _ranks(embeddings, pair_scores, lang, own_pairs)
        found = _entry(
            values_of_ranks(before, own_pairs[1]),
            values_of_ranks(after, own_pairs[1]),
            replicates,
            seed,
        )
        pairs = [
            (line, clip_rows[clip])
            for line, row in enumerate(rows)
            for clip in (relevant or {}).get(embeddings.captions[row], ())
        ]
        if pairs:
            caption, clip = np.array(pairs).T
            of_lists = [
                {"t2a": query_values(places, None, (MAP_AT, DCASE_MAP_AT))}
                for places in (
                    Places(caption, ranks.t2a_greater, ranks.t2a_equal)
                    for ranks in _ranks(embeddings, pair_scores, lang, (caption, clip))
                )
            ]
            found["multiple_positives"] = _entry(*of_lists, replicates, seed)
        entry.setdefault("reranked", {})[pair_scores.by] = found


def reranked_scores(embeddings: EmbeddingSet, pair_scores: PairScores) -> Dict[str, Any]:
    """Metrics of the reranked set by language and direction alone: what validation needs."""
    found = {}
    for lang in embeddings.languages:
        rows = embeddings.rows_of_language(lang)
        owners = embeddings.caption_to_clip[rows]
        _, after = _ranks(embeddings, pair_scores, lang, (np.arange(len(rows)), owners))
        values = values_of_ranks(after, owners)
        found[lang] = {way: queries.scores() for way, queries in values.items()}
    return found


def _entry(
    before: Mapping[str, QueryValues],
    after: Mapping[str, QueryValues],
    replicates: int,
    seed: int,
) -> Dict[str, Any]:
    entry: Dict[str, Any] = {way: queries.scores() for way, queries in after.items()}
    if replicates:
        entry["intervals"] = {
            way: bootstrap_intervals(queries, replicates, seed) for way, queries in after.items()
        }
        entry["difference"] = {
            way: paired_differences(queries, before[way], replicates, seed)
            for way, queries in after.items()
        }
    return entry


def _ranks(
    embeddings: EmbeddingSet,
    pair_scores: PairScores,
    lang: str,
    pairs: Tuple[np.ndarray, np.ndarray],
) -> List[PairRanks]:
    """Ranks of pairs (captions of the language by their place in it, clips) before and after reranking."""
    rows = embeddings.rows_of_language(lang)
    caption, clip = pairs
    before = pair_ranks(embeddings.audio, embeddings.text[rows], caption, clip)
    t2a = Scored(pair_scores.t2a.items[rows], pair_scores.t2a.scores[rows])
    after = PairRanks(
        *reranked(before.t2a_greater, before.t2a_equal, t2a, caption, clip),
        *reranked(before.a2t_greater, before.a2t_equal, pair_scores.a2t[lang], clip, rows[caption]),
    )
    return [before, after]


def reranked(
    greater: np.ndarray, equal: np.ndarray, scored: Scored, query: np.ndarray, item: np.ndarray
) -> Tuple[np.ndarray, np.ndarray]:
    """Places of items after reranking.

    Args:
        greater, equal: items above each wanted item and level with it, by the towers; int64 [P].
        scored: what the reranker scored, by query.
        query: row of `scored` that each wanted item belongs to, [P].
        item: the wanted item, as `scored.items` counts, [P].

    Returns:
        The same two counts in the final list.
    """
    scored_items = scored.items.shape[1]
    # behind what was scored; of the level ones, some may have been scored
    new_greater = np.maximum(greater, scored_items)
    new_equal = np.maximum(greater + equal - new_greater, 1)
    chunk = max(1, _CHUNK_VALUES // max(1, scored_items))
    for start in range(0, len(query), chunk):
        some = slice(start, start + chunk)
        scores = scored.scores[query[some]]  # [chunk, k]
        hit = scored.items[query[some]] == item[some, None]
        here = np.flatnonzero(hit.any(axis=1))
        own = scores[here, hit[here].argmax(axis=1)][:, None]
        new_greater[start + here] = (scores[here] > own).sum(axis=1)
        new_equal[start + here] = (scores[here] == own).sum(axis=1)
    return new_greater, new_equal
