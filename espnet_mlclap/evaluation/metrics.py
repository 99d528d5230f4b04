"""Retrieval metrics: R@k, medR, meanR and mAP@k, text to audio (t2a) and audio to text (a2t).

A query is a caption (t2a) or a clip (a2t); the gallery is all clips or all captions. The definitions
are those of ML-CLAP's released code (zyyan4/ml-clap, tools/utils.py, functions t2a and a2t):

    rank    0-based position of the best relevant item: the caption's clip, or the best of the clip's
            captions
    R@k     share of queries with rank < k
    medR    floor(median of the ranks) + 1
    meanR   mean of the ranks + 1
    AP@k    sum over the relevant items at positions p_1 < p_2 < ... <= k (1-based) of
            i / p_i, divided by the number of *all* relevant items of the query, found or not
    mAP@k   mean of AP@k over the queries; for t2a, with one relevant clip, the mean of 1 / position

Ties (items exactly as similar as a relevant one) count with the expected value over all orders of the
tied items, after F. McSherry and M. Najork, "Computing Information Retrieval Performance Measures
Efficiently in the Presence of Tied Scores", ECIR 2008. A collapsed model thus scores exactly at chance,
and equal captions of different clips cost what they must, not what a sorting algorithm makes of them.
For medR and meanR the rank of a query with ties is its expected rank. Without ties the figures are
those of the reference.

Clips without captions are part of the t2a gallery but no a2t queries.
"""

from dataclasses import dataclass
from typing import Dict, Mapping, NamedTuple, Optional, Sequence

import numpy as np

from espnet_mlclap.evaluation.ranks import PairRanks, pair_ranks

RECALL_AT = (1, 5, 10, 50)
MAP_AT = 10
DCASE_MAP_AT = 16
Scores = Dict[str, Dict[str, float]]


class Places(NamedTuple):
    """Where the relevant items of the queries are in their lists; int64 arrays [P], P relevant items."""

    query: np.ndarray  # the query that the item belongs to, any integers
    greater: np.ndarray  # items more similar to the query
    equal: np.ndarray  # items exactly as similar, itself among them


@dataclass(frozen=True)
class QueryValues:
    """The metrics of each query, before they are averaged.

    Attributes:
        query: the queries, sorted, int64 [Q].
        clip: the clip of each query, int64 [Q]: what bootstrap intervals resample.
        means: values in 0..1 by metric ("R@1", ..., "mAP@10"), each [Q].
        rank: expected rank of the best relevant item, from 1, [Q].
        tied: queries of which a relevant item is level with another item.
    """

    query: np.ndarray
    clip: np.ndarray
    means: Mapping[str, np.ndarray]
    rank: np.ndarray
    tied: int

    def scores(self) -> Dict[str, float]:
        """Return the metrics over all queries: R@k and mAP@k in per cent, medR and meanR from 1."""
        scores = {name: 100.0 * float(np.mean(values)) for name, values in self.means.items()}
        scores["medR"] = float(np.floor(np.median(self.rank - 1.0)) + 1.0)
        scores["meanR"] = float(np.mean(self.rank))
        return scores


def retrieval_scores(audio: np.ndarray, text: np.ndarray, caption_to_clip: np.ndarray) -> Scores:
    """Score a test set in both directions.

    Args:
        audio: clip embeddings [N, E]; need not be of unit length (cosine similarity is used).
        text: caption embeddings [M, E].
        caption_to_clip: row of `audio` that each caption describes, integers [M]; any number of captions
            per clip.

    Returns:
        {"t2a": {...}, "a2t": {...}}, each with "R@1", "R@5", "R@10", "R@50", "mAP@10" in per cent and
        "medR", "meanR" as ranks from 1.

    Raises:
        UserError: embeddings with NaN or infinity.
        ValueError: shapes that do not fit.

    Example:
        >>> import numpy as np
        >>> scores = retrieval_scores(np.eye(3), np.eye(3)[[0, 0, 1, 2]], np.array([0, 0, 1, 2]))
        >>> scores["t2a"]["R@1"], round(scores["a2t"]["mAP@10"], 2)
        (100.0, 100.0)
    """
    values = retrieval_values(audio, text, caption_to_clip)
    return {direction: queries.scores() for direction, queries in values.items()}


def retrieval_values(
    audio: np.ndarray, text: np.ndarray, caption_to_clip: np.ndarray
) -> Dict[str, QueryValues]:
    """As `retrieval_scores`, but the values of each query: what `confidence.py` needs."""
    clip = np.asarray(caption_to_clip)
    if clip.shape != (len(text),):
        raise ValueError(f"caption_to_clip must have one entry per caption, not shape {clip.shape}")
    return values_of_ranks(pair_ranks(audio, text, np.arange(len(text)), clip), clip)


def values_of_ranks(ranks: PairRanks, clip: np.ndarray) -> Dict[str, QueryValues]:
    """Values of each query from the ranks of all pairs of a caption and its clip.

    Args:
        ranks: of the pairs, caption by caption.
        clip: the clip of each caption, [M].
    """
    caption = np.arange(len(clip))
    return {
        "t2a": query_values(Places(caption, ranks.t2a_greater, ranks.t2a_equal), clip),
        "a2t": query_values(Places(clip, ranks.a2t_greater, ranks.a2t_equal)),
    }


def relevance_values(
    audio: np.ndarray,
    text: np.ndarray,
    caption: np.ndarray,
    clip: np.ndarray,
    map_at: Sequence[int] = (MAP_AT, DCASE_MAP_AT),
) -> QueryValues:
    """Score text to audio where captions have several relevant clips, as DCASE 2025 task 6 does.

    That challenge ranks language-based audio retrieval by mAP@16 with lists of relevant clips per query, made
    by annotators: AP@16 is the sum of i / p_i over the relevant clips among the first 16, divided by
    the number of the query's relevant clips; only queries with a list count. The lists take the place of the
    caption's own clip: 46.56 % of Clotho's original pairs are in them (dcase.community, challenge 2025,
    results of task 6; baseline CPJKU/dcase2025_task6_baseline, retrieval_module.py).

    Args:
        audio: clip embeddings [N, E], the whole gallery.
        text: caption embeddings [M, E].
        caption: row of `text` of each relevant pair, [P].
        clip: row of `audio` of each relevant pair, [P]; no pair twice.
        map_at: cut-offs of the average precision.

    Returns:
        Values of the captions that have a pair; R@k counts a caption as found with any of its clips.

    Raises:
        UserError: embeddings with NaN or infinity.
        ValueError: shapes that do not fit, a pair twice.
    """
    caption, clip = np.asarray(caption), np.asarray(clip)
    if len(np.unique(np.stack([caption, clip], axis=1), axis=0)) < len(caption):
        raise ValueError("a pair of caption and clip appears twice among the relevant pairs")
    ranks = pair_ranks(audio, text, caption, clip)
    return query_values(Places(caption, ranks.t2a_greater, ranks.t2a_equal), None, map_at)


def query_values(
    places: Places,
    clip_of_query: Optional[np.ndarray] = None,
    map_at: Sequence[int] = (MAP_AT,),
    recall_at: Sequence[int] = RECALL_AT,
) -> QueryValues:
    """Turn the places of relevant items into metrics of queries.

    Args:
        places: one entry for each relevant item of each query.
        clip_of_query: clip by query [>= Q]; the query itself where none is given.
        map_at: cut-offs of the average precision.
        recall_at: cut-offs of the recall.
    """
    order = np.lexsort((places.greater, places.query))
    query, greater, equal = (values[order] for values in places)
    # Items of a query with the same number of items above them are level: one group. [G]
    new_query = np.r_[True, query[1:] != query[:-1]]
    starts = np.flatnonzero(new_query | np.r_[True, greater[1:] != greater[:-1]])
    groups = _Groups(
        above=greater[starts],
        size=equal[starts],
        relevant=np.diff(np.r_[starts, len(query)]),
    )
    first_item = np.flatnonzero(new_query)  # [Q]
    relevant = np.diff(np.r_[first_item, len(query)])
    query_of_group = np.cumsum(new_query)[starts] - 1
    found_before = starts - first_item[query_of_group]
    best = groups.take(np.flatnonzero(new_query[starts]))
    queries = query[first_item]
    means = {f"R@{k}": best.expected_hit(k) for k in recall_at}
    for k in map_at:
        gain = np.bincount(query_of_group, groups.expected_precision(found_before, k))
        means[f"mAP@{k}"] = gain / relevant
    return QueryValues(
        query=queries,
        clip=queries if clip_of_query is None else np.asarray(clip_of_query)[queries],
        means=means,
        rank=best.above + (best.size + 1.0) / (best.relevant + 1.0),
        tied=int(np.count_nonzero(np.bincount(query_of_group, groups.size > groups.relevant))),
    )


def chance_scores(captions_of_clip: Sequence[int]) -> Scores:
    """Expected metrics of a random order, for a set with so many captions by clip.

    Computed from the distribution of ranks, not simulated; medR is the median of that distribution.

    Args:
        captions_of_clip: number of captions of each clip of the gallery, [N]; 0 is allowed.

    Returns:
        The same keys as `retrieval_scores`.
    """
    captions = np.asarray(captions_of_clip)
    total = int(captions.sum())
    distinct, clips = np.unique(captions[captions > 0], return_counts=True)
    one = np.ones(1, np.int64)
    return {
        "t2a": _chance(one, len(captions), one),
        "a2t": _chance(distinct, total, clips),
    }


def _chance(relevant: np.ndarray, gallery: int, weights: np.ndarray) -> Dict[str, float]:
    """Chance of queries with `relevant[j]` relevant items in the gallery, `weights[j]` queries each."""
    groups = _Groups(np.zeros_like(relevant), np.full_like(relevant, gallery), relevant)
    precision = groups.expected_precision(np.zeros_like(relevant), MAP_AT) / relevant
    scores = {
        f"R@{k}": 100.0 * float(np.average(groups.expected_hit(k), weights=weights))
        for k in RECALL_AT
    }
    scores[f"mAP@{MAP_AT}"] = 100.0 * float(np.average(precision, weights=weights))
    low, high = 1, gallery  # the first k within which half of the queries find an item
    while low < high:
        middle = (low + high) // 2
        if np.average(groups.expected_hit(middle), weights=weights) >= 0.5 - 1e-12:
            high = middle
        else:
            low = middle + 1
    scores["medR"] = float(low)
    scores["meanR"] = float(np.average((gallery + 1.0) / (relevant + 1.0), weights=weights))
    return scores


class _Groups(NamedTuple):
    """Groups of level items [G], of which some are relevant."""

    above: np.ndarray  # items above the group
    size: np.ndarray  # items in the group
    relevant: np.ndarray  # relevant ones among them

    def take(self, wanted: np.ndarray) -> "_Groups":
        return _Groups(*(values[wanted] for values in self))

    def expected_hit(self, k: int) -> np.ndarray:
        """Probability that a relevant item of the group is among the first k items of the list."""
        drawn = np.clip(k - self.above, 0, self.size)
        missed = np.ones(len(self.size))
        for item in range(int(self.relevant.max())):
            # the next relevant item falls on a place below k, given that those before it did
            places = np.maximum(self.size - drawn - item, 0) / np.maximum(self.size - item, 1)
            missed = np.where(item < self.relevant, missed * places, missed)
        return 1.0 - missed

    def expected_precision(self, found_before: np.ndarray, k: int) -> np.ndarray:
        """Expected sum of precisions at the relevant items of the group among the first k."""
        total = np.zeros(len(self.size))
        others = (self.relevant - 1) / np.maximum(self.size - 1, 1)
        for position in range(k):
            inside = position - self.above
            here = (inside >= 0) & (inside < self.size)
            found = found_before + 1 + inside * others
            total += np.where(here, self.relevant / self.size * found / (position + 1), 0.0)
        return total
