"""Is a system better than another one? Differences of metrics with paired bootstrap intervals.

Both systems answer the same queries, so a hard clip is hard for both: the interval of the difference, with
the same clips drawn for both, is narrower than their two intervals suggest (P. Koehn,
"Statistical Significance Tests for Machine Translation Evaluation", EMNLP 2004). Where it does not contain 0,
the difference is more than the choice of test clips; it does not say whether another training seed would
show it too.
"""

from pathlib import Path
from typing import Dict, List, Union

import numpy as np

from espnet_mlclap.evaluation.confidence import REPLICATES, bootstrap_intervals
from espnet_mlclap.evaluation.embeddings import EmbeddingSet
from espnet_mlclap.evaluation.metrics import QueryValues, retrieval_values
from espnet_mlclap.evaluation.scores import find_results_in
from espnet_mlclap.utils.errors import UserError

Differences = Dict[str, Dict[str, List[float]]]  # direction -> metric -> [difference, low, high]


def paired_differences(
    own: QueryValues, other: QueryValues, replicates: int = REPLICATES, seed: int = 0
) -> Dict[str, List[float]]:
    """Own minus other for each metric that is a mean over queries, with its 95 % interval.

    Args:
        own, other: values of the same queries in the same order.
        replicates: bootstrap samples.
        seed: of the bootstrap.

    Returns:
        [difference, low, high] by metric: per cent points; ranks for meanR.

    Raises:
        ValueError: other queries.
    """
    if not (np.array_equal(own.query, other.query) and np.array_equal(own.clip, other.clip)):
        raise ValueError("differences need the same queries of both systems")
    gap = QueryValues(
        own.query,
        own.clip,
        {name: values - other.means[name] for name, values in own.means.items()},
        own.rank - other.rank,
        tied=0,
    )
    means, intervals = gap.scores(), bootstrap_intervals(gap, replicates, seed)
    # the median of differences is not the difference of medians
    return {name: [means[name], *intervals[name]] for name in means if name != "medR"}


def compare_sets(
    own: EmbeddingSet, other: EmbeddingSet, *, replicates: int = REPLICATES, seed: int = 0
) -> Dict[str, Differences]:
    """Differences of two systems on a test set, by language.

    Returns:
        Languages that only one of them has been tested in are left out.

    Raises:
        UserError: other clips, or other captions in a language that both have; names one.
    """
    _check_same(own.clips, other.clips, "clip", own, other)
    clip_rows = {clip: row for row, clip in enumerate(other.clips)}
    audio = other.audio[[clip_rows[clip] for clip in own.clips]]
    caption_rows = {caption: row for row, caption in enumerate(other.captions)}
    differences = {}
    for lang in own.languages:
        if lang not in other.languages:
            continue
        rows = own.rows_of_language(lang)
        captions = [own.captions[row] for row in rows]
        theirs = [other.captions[row] for row in other.rows_of_language(lang)]
        _check_same(captions, theirs, "caption", own, other)
        owners = own.caption_to_clip[rows]
        ours = retrieval_values(own.audio, own.text[rows], owners)
        text = other.text[[caption_rows[caption] for caption in captions]]
        values = retrieval_values(audio, text, owners)
        differences[lang] = {
            way: paired_differences(queries, values[way], replicates, seed)
            for way, queries in ours.items()
        }
    return differences


def find_results(path: Union[str, Path]) -> Path:
    """The folder of results (with scores.json): this one, or the only one in an experiment's folder.

    Raises:
        UserError: none, or several; names them.
    """
    path = Path(path)
    if (path / "scores.json").is_file():
        return path
    found = find_results_in(path)
    if len(found) == 1:
        return found[0]
    if found:
        raise UserError(f"{path}: give one of {', '.join(map(str, found))}.")
    raise UserError(f"{path}: no scores.json in it. Run stages 6 and 7 of that experiment first.")


def _check_same(
    own: List[str], other: List[str], what: str, mine: EmbeddingSet, theirs: EmbeddingSet
) -> None:
    for first, second, ids in (
        (mine, theirs, set(own) - set(other)),
        (theirs, mine, set(other) - set(own)),
    ):
        if ids:
            raise UserError(
                f"{first.path}: the {what} {min(ids)!r} is not in {second.path}: only the same test "
                "sets can be compared."
            )
