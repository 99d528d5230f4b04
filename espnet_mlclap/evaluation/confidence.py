"""95 % bootstrap intervals of retrieval metrics.

What is resampled is the clip: the captions of a clip share its difficulty, so resampling captions one by
one would give too narrow intervals (cluster bootstrap). A replicate draws N of the N clips with
replacement and averages over their queries; the gallery stays whole, since its size is part of the
task. The interval is the percentile interval over the replicates (B. Efron and R. J. Tibshirani, "An
Introduction to the Bootstrap", chapter 13). It says how the figure would move with other test clips, not
with another training seed.
"""

from typing import Dict, Iterator, List

import numpy as np

from espnet_mlclap.evaluation.metrics import QueryValues

REPLICATES = 1000
_CHUNK_VALUES = 1 << 22  # weights held at a time


def bootstrap_intervals(
    queries: QueryValues, replicates: int = REPLICATES, seed: int = 0, level: float = 0.95
) -> Dict[str, List[float]]:
    """Percentile intervals of every metric of one direction.

    Args:
        queries: values of each query with its clip.
        replicates: number of bootstrap samples.
        seed: of the generator; equal seeds give equal intervals.
        level: share of the replicates inside the interval.

    Returns:
        [low, high] by metric, in the units of `QueryValues.scores` (per cent, ranks from 1).

    Raises:
        ValueError: no replicates, or a level outside (0, 1).
    """
    if replicates < 1 or not 0.0 < level < 1.0:
        raise ValueError(f"need replicates >= 1 and 0 < level < 1, not {replicates} and {level}")
    _, clip = np.unique(queries.clip, return_inverse=True)
    clips = int(clip.max()) + 1
    names = [*queries.means, "meanR"]
    values = np.stack([*(100.0 * v for v in queries.means.values()), queries.rank], axis=1)
    sums = np.stack([np.bincount(clip, v, clips) for v in values.T], axis=1)  # [clips, metrics]
    sizes = np.bincount(clip).astype(np.float64)
    order = np.argsort(queries.rank, kind="stable")
    ranks, clip_by_rank = queries.rank[order], clip[order]
    samples: Dict[str, List[np.ndarray]] = {name: [] for name in [*names, "medR"]}
    chunk = max(1, _CHUNK_VALUES // len(clip))
    for weights in _draws(clips, replicates, chunk, seed):  # weights: [chunk, clips]
        means = (weights @ sums) / (weights @ sizes)[:, None]
        for name, column in zip(names, means.T):
            samples[name].append(column)
        samples["medR"].append(_median_rank(ranks, weights[:, clip_by_rank]))
    tail = 50.0 * (1.0 - level)
    return {
        name: [float(v) for v in np.percentile(np.concatenate(parts), [tail, 100.0 - tail])]
        for name, parts in samples.items()
    }


def mean_interval(
    values: np.ndarray, replicates: int = REPLICATES, seed: int = 0, level: float = 0.95
) -> List[float]:
    """Percentile interval of the mean of one value per clip, [clips]."""
    values = np.asarray(values, np.float64)[:, None]
    means = replicated_means(values, np.arange(len(values)), replicates, seed)
    return percentiles(means[:, 0], level)


def replicated_means(
    values: np.ndarray, clips: np.ndarray, replicates: int = REPLICATES, seed: int = 0
) -> np.ndarray:
    """Means over the queries of each bootstrap sample of clips.

    Args:
        values: [queries, columns]; all columns are averaged over the same samples.
        clips: the clip of each query, any integers [queries].

    Returns:
        [replicates, columns].
    """
    _, clip = np.unique(clips, return_inverse=True)
    sizes = np.bincount(clip).astype(np.float64)
    sums = np.stack([np.bincount(clip, column) for column in values.T], axis=1)
    chunk = max(1, _CHUNK_VALUES // len(sizes))
    draws = _draws(len(sizes), replicates, chunk, seed)
    return np.concatenate([(weights @ sums) / (weights @ sizes)[:, None] for weights in draws])


def percentiles(samples: np.ndarray, level: float = 0.95) -> List[float]:
    """The ends of the percentile interval of bootstrap samples, [replicates]."""
    tail = 50.0 * (1.0 - level)
    return [float(v) for v in np.percentile(samples, [tail, 100.0 - tail])]


def _draws(clips: int, replicates: int, chunk: int, seed: int) -> Iterator[np.ndarray]:
    """Yield how often each clip is drawn in up to `chunk` replicates, [<= chunk, clips]."""
    generator = np.random.default_rng(seed)
    for start in range(0, replicates, chunk):
        drawn = [
            np.bincount(generator.integers(clips, size=clips), minlength=clips)
            for _ in range(min(chunk, replicates - start))
        ]
        yield np.stack(drawn).astype(np.float64)


def _median_rank(ranks: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """medR of each replicate: ranks sorted [Q], weights [replicates, Q] how often each query counts."""
    above = np.cumsum(weights, axis=1)
    total = above[:, -1]
    lower = np.count_nonzero(above <= ((total - 1) // 2)[:, None], axis=1)
    upper = np.count_nonzero(above <= (total // 2)[:, None], axis=1)
    return np.floor((ranks[lower] + ranks[upper]) / 2.0 - 1.0) + 1.0
