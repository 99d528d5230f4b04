"""Scores of the trainings of an experiment, put together over seeds."""

import logging
import re
import statistics
from pathlib import Path
from typing import (
    Any,
    Container,
    Dict,
    Iterable,
    List,
    Mapping,
    NamedTuple,
    Optional,
    Sequence,
    Tuple,
    Union,
)

from espnet_mlclap.evaluation.embeddings import sort_languages
from espnet_mlclap.evaluation.scores import DIRECTIONS, AllScores, SetScores, read_scores
from espnet_mlclap.evaluation.zero_shot import read_zero_shot_scores
from espnet_mlclap.experiments.checks import RunScores, find_fault, same_test_data
from espnet_mlclap.experiments.plan import run_tag
from espnet_mlclap.utils.languages import PAPER_SOURCE

MEAN_LANGUAGE = "mean"  # in place of a language: the mean of all
# directions and metrics that are not those of `DIRECTIONS`
MULTIPLE_POSITIVES = ("t2a", "mAP@16")  # counts all clips that a caption fits
LANGUAGES = (
    "languages"  # how much languages differ: MRV, and the spread of R@1, "spread_t2a", "spread_a2t"
)
FITTING = "fits"  # in place of a direction: text to audio, counting all clips that a caption fits
# in front of a direction, with a colon: of all pairs, or of the best N (`top50:t2a`), scored by a reranker
RERANKED_ALL, RERANKED_TOP = "all", "top"
ZERO_SHOT = ("zero_shot", "accuracy")  # may be in more languages than there are captions
_ZERO_SHOT_SET = "{} zero-shot"  # where the accuracies of a test set stand among its scores


class Summary(NamedTuple):
    """A metric over seeds, in its own unit.

    Attributes:
        mean: over the seeds.
        deviation: sample standard deviation over the seeds; None with one seed.
        low, high: 95 % interval over the test clips, the mean of the seeds' bounds; None without.
    """

    mean: float
    deviation: Optional[float]
    low: Optional[float]
    high: Optional[float]

    def text(self) -> str:
        """Such as "53.8 ± 0.7 [50.1, 57.0]"."""
        shown = f"{self.mean:.1f}"
        if self.deviation is not None:
            shown += f" ± {self.deviation:.1f}"
        if self.low is not None and self.high is not None:
            shown += f" [{self.low:.1f}, {self.high:.1f}]"
        return shown


def read_runs(
    expdir: Union[str, Path],
    name: str,
    inference_tag: str,
    *,
    test_sets: Optional[Container[str]] = None,
    seeds: Optional[Container[int]] = None,
    left_out: Container[str] = (),
) -> RunScores:
    """Read what exists of an experiment, by seed; nothing if it has not been run.

    Accuracies of zero-shot classification are read where there are some. Left out, with a warning, are scores
    of an earlier training or of earlier embeddings, those of another seed than the folder says, and those
    that are not of the same test data as most of the seeds': all cells of a table are over the same seeds.

    Args:
        expdir: folder of the experiments.
        name: of the experiment.
        inference_tag: folder of the results in each.
        test_sets: that matter; None for all that are found.
        seeds: those to read; None for all that are found.
        left_out: tags of trainings (`run_tag`) not to read.

    Raises:
        UserError: scores that are there but cannot be read.
    """
    pattern = re.compile(re.escape(f"mlclap_{run_tag(name, 0)}"[:-1]) + r"(\d+)")
    paths: Dict[int, Path] = {}
    found: RunScores = {}
    for folder in Path(expdir).glob(f"mlclap_{name}_seed*"):
        match = pattern.fullmatch(folder.name)
        path = folder / inference_tag / "scores.json"
        if not match or not path.is_file():
            continue
        seed = int(match[1])
        if (seeds is not None and seed not in seeds) or run_tag(name, seed) in left_out:
            continue
        fault = find_fault(path, seed, test_sets)
        if fault:
            logging.warning("%s: left out, since %s", path, fault)
            continue
        paths[seed] = path
        scores = {**read_scores(path), **_zero_shot(path.parent)}
        found[seed] = {
            one: entries
            for one, entries in scores.items()
            if test_sets is None or one.removesuffix(_ZERO_SHOT_SET.format("")) in test_sets
        }
    return same_test_data(dict(sorted(found.items())), paths)


def _zero_shot(folder: Path) -> AllScores:
    """Accuracies in the form of scores: direction "zero_shot", metric "accuracy"."""
    found = {}
    way, metric = ZERO_SHOT
    for path in folder.glob("*/zero_shot.json"):
        made = path.with_name(".made")
        if made.is_file() and made.stat().st_mtime > path.stat().st_mtime:
            logging.warning(
                "%s: left out, since it is older than the embeddings. Run stage 7.", path
            )
            continue
        entries = {
            lang: {way: {metric: one["accuracy"]}, "intervals": {way: {metric: one["interval"]}}}
            for lang, one in read_zero_shot_scores(path).items()
        }
        found[_ZERO_SHOT_SET.format(path.parent.name)] = SetScores(PAPER_SOURCE, entries)
    return found


def scored_languages(
    runs: Mapping[str, RunScores], test_set: str, directions: Iterable[str]
) -> List[str]:
    """The languages in which a test set was scored in any of the trainings, sorted as in all tables."""
    sets = {
        _ZERO_SHOT_SET.format(test_set) if way == ZERO_SHOT[0] else test_set for way in directions
    }
    each = (
        scores.get(name, {}) for run in runs.values() for scores in run.values() for name in sets
    )
    return sort_languages({lang for languages in each for lang in languages})


def summarise(
    runs: RunScores, test_set: str, lang: Union[str, Sequence[str]], direction: str, metric: str
) -> Optional[Summary]:
    """One metric over the seeds that have it; None if none has.

    Args:
        runs: by seed.
        test_set: its name.
        lang: a language, or several, or `MEAN_LANGUAGE` for all of the set: their mean, without an interval.
        direction, metric: such as "t2a" and "R@1", `MULTIPLE_POSITIVES`, `ZERO_SHOT`, `FITTING` and a
            metric, or `LANGUAGES` and one of how they differ, whatever `lang` is.
    """
    name = _ZERO_SHOT_SET.format(test_set) if direction == ZERO_SHOT[0] else test_set
    found = [
        values
        for scores in runs.values()
        if (values := _values(scores.get(name, {}), lang, direction, metric)) is not None
    ]
    if not found:
        return None
    means = [mean for mean, _ in found]
    bounds = [one for _, one in found if one is not None]
    low, high = (statistics.fmean(side) for side in zip(*bounds)) if bounds else (None, None)
    deviation = statistics.stdev(means) if len(means) > 1 else None
    return Summary(statistics.fmean(means), deviation, low, high)


def _values(
    scores: Mapping[str, dict], lang: Union[str, Sequence[str]], direction: str, metric: str
) -> Optional[Tuple[float, Optional[Sequence[float]]]]:
    """A metric of one training, and the bounds of its interval where it has one."""
    if direction == LANGUAGES:
        return _over_languages(getattr(scores, "consistency", None), metric)
    if lang == MEAN_LANGUAGE or not isinstance(lang, str):
        each = [
            _values(scores, one, direction, metric)
            for one in (scores if lang == MEAN_LANGUAGE else lang)
        ]
        values = [one[0] for one in each if one is not None]
        lacking = lang != MEAN_LANGUAGE and len(values) < len(each)
        return (statistics.fmean(values), None) if values and not lacking else None
    entry = scores.get(lang, {})
    reranked, _, direction = direction.rpartition(":")
    if reranked:
        entry = _reranked(entry, reranked)
    if (direction, metric) == MULTIPLE_POSITIVES or direction == FITTING:
        entry, direction = entry.get("multiple_positives", {}), "t2a"
    if metric not in entry.get(direction, {}):
        return None
    return entry[direction][metric], entry.get("intervals", {}).get(direction, {}).get(metric)


def reranked_title(what: str) -> str:
    """What a reranker scored, in words: of "all" and "top50" as in `_reranked`."""
    return "full matrix" if what == RERANKED_ALL else f"top {what[len(RERANKED_TOP) :]}"


def _reranked(entry: Mapping[str, Any], what: str) -> Mapping[str, Any]:
    """What a reranker that scored `what` made of it, as `reranked_scores.add_reranked` names it."""
    for name, found in entry.get("reranked", {}).items():
        if name.endswith(f", {reranked_title(what)}"):
            return found
    return {}


def _over_languages(
    entry: Optional[Mapping[str, Any]], metric: str
) -> Optional[Tuple[float, Optional[Sequence[float]]]]:
    if not entry:
        return None
    name, _, way = metric.partition("_")
    value, bounds = entry[name], entry.get("intervals", {}).get(name)
    return (value[way], bounds and bounds[way]) if way else (value, bounds)


def mean_scores(runs: RunScores, test_set: str) -> SetScores:
    """Scores of a test set as if of one training: means over seeds, with intervals and chance.

    Languages that only some of the trainings were tested in are left out.
    """
    sets = [scores[test_set] for scores in runs.values() if test_set in scores]
    if not sets:
        return SetScores(PAPER_SOURCE, {})
    langs = [lang for lang in sets[0] if all(lang in one for one in sets)]
    means = {lang: _mean_entry([one[lang] for one in sets]) for lang in langs}
    return SetScores(sets[0].source_lang, means)


def _mean_entry(entries: Sequence[Mapping[str, dict]]) -> dict:
    first = entries[0]
    mean: dict = {key: first[key] for key in ("clips", "captions")}
    for way in DIRECTIONS:
        mean[way] = {
            metric: statistics.fmean(entry[way][metric] for entry in entries)
            for metric in first[way]
        }
    if all("intervals" in entry for entry in entries):
        mean["intervals"] = {way: _mean_bounds(entries, way) for way in DIRECTIONS}
    if "chance" in first:
        mean["chance"] = first["chance"]
    return mean


def _mean_bounds(entries: Sequence[Mapping[str, dict]], way: str) -> Dict[str, List[float]]:
    bounds = [entry["intervals"][way] for entry in entries]
    return {
        metric: [statistics.fmean(one[metric][side] for one in bounds) for side in (0, 1)]
        for metric in bounds[0]
    }
