"""Is a model equally good in all languages? How much the places of the same captions differ between them.

A test set may say which of its captions say the same in other languages (`utt2source`). Of those that are
there in all K languages of the set:

    MRV      mean rank variance: the variance (divided by K) of the rank that a caption's clip gets from
             language to language, averaged over the captions. 0 where every language finds a clip at the
             same place. (ATRI, ACL 2025.)
    spread   R@1 in the best language minus R@1 in the worst, in per cent points

A model can be consistent by being bad everywhere: both are to be read next to R@1. And both are above 0 by
chance alone, the more so the fewer clips there are. The intervals are over clips, drawn for all languages
alike; those of a spread lie somewhat high, since a draw spreads the languages further.
"""

from typing import Any, Dict, List, Mapping, Optional

import numpy as np

from espnet_mlclap.evaluation.confidence import REPLICATES, percentiles, replicated_means
from espnet_mlclap.evaluation.embeddings import EmbeddingSet
from espnet_mlclap.evaluation.metrics import QueryValues, retrieval_values

MRV = "MRV"


def same_captions(embeddings: EmbeddingSet) -> np.ndarray:
    """Rows of `text` that say the same, [n, K]: those that are there in all K languages of the set.

    Columns are in the order of `embeddings.languages`. Of two captions in one language with the same source,
    the first counts.
    """
    langs = embeddings.languages
    groups: Dict[str, Dict[str, int]] = {}
    for row, (source, lang) in enumerate(zip(embeddings.sources, embeddings.langs)):
        groups.setdefault(source, {}).setdefault(lang, row)
    complete = [group for group in groups.values() if len(group) == len(langs)]
    rows = [[group[lang] for lang in langs] for group in complete]
    return np.array(rows, np.int64).reshape(len(rows), len(langs))


def language_consistency(
    embeddings: EmbeddingSet,
    values: Mapping[str, Mapping[str, QueryValues]],
    *,
    replicates: int = REPLICATES,
    seed: int = 0,
) -> Optional[Dict[str, Any]]:
    """Mean rank variance and spread of a set, if it has the same captions in several languages.

    Args:
        embeddings: clips and captions.
        values: by language, of all of its captions, from `retrieval_values`.
        replicates: bootstrap samples of the intervals; 0 for none.
        seed: of the bootstrap.

    Returns:
        {"languages": K, "captions": n, "MRV": x, "spread": {"t2a": x, "a2t": x}, "intervals": {"MRV": [low,
        high], "spread": {"t2a": [low, high], ...}}}; None where no caption is there in all languages, or
        there is one language only.
    """
    rows = same_captions(embeddings)
    if rows.shape[1] < 2 or not len(rows):
        return None
    queries = [
        _of_captions(embeddings, rows[:, place], lang, values[lang])
        for place, lang in enumerate(embeddings.languages)
    ]
    # by row of `text`, so that a caption's places stand side by side: [n, K]
    ranks = np.stack([one["t2a"].rank for one in queries], axis=1)
    clips = embeddings.caption_to_clip[rows[:, 0]]
    variance = ranks.var(axis=1)
    entry: Dict[str, Any] = {"languages": rows.shape[1], "captions": len(rows)}
    entry[MRV] = float(variance.mean())
    entry["spread"] = {}
    intervals: Dict[str, Any] = {"spread": {}}
    if replicates:
        means = replicated_means(variance[:, None], clips, replicates, seed)
        intervals[MRV] = percentiles(means[:, 0])
    for way in ("t2a", "a2t"):
        hits = 100.0 * np.stack([one[way].means["R@1"] for one in queries], axis=1)
        entry["spread"][way] = float(np.ptp(hits.mean(axis=0)))
        if replicates:
            means = replicated_means(
                hits, queries[0][way].clip, replicates, seed
            )  # [replicates, K]
            intervals["spread"][way] = percentiles(np.ptp(means, axis=1))
    return {**entry, "intervals": intervals} if replicates else entry


def _of_captions(
    embeddings: EmbeddingSet, rows: np.ndarray, lang: str, values: Mapping[str, QueryValues]
) -> Mapping[str, QueryValues]:
    """Values of these captions of a language, in this order; clips look for them alone."""
    whole: List[int] = embeddings.rows_of_language(lang).tolist()
    if whole == rows.tolist():
        return values
    owners = embeddings.caption_to_clip[rows]
    return retrieval_values(embeddings.audio, embeddings.text[rows], owners)
