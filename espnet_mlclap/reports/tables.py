"""Tables of scores."""

import statistics
from typing import Collection, Dict, List, Mapping, Optional, Sequence, Tuple

from espnet_mlclap.evaluation.consistency import MRV
from espnet_mlclap.evaluation.scores import (
    CRITERION,
    DIRECTIONS,
    METRICS,
    AllScores,
    SetScores,
    mean_of_languages,
    mean_of_others,
)
from espnet_mlclap.reports.cells import number, with_difference, with_interval
from espnet_mlclap.reports.reranked import reranked_tables
from espnet_mlclap.utils.tables import Table

COMPARED_METRICS = ("R@1", "R@10", "mAP@10")
# Metrics that are printed with their interval; scores.json has those of all.
TEXT_INTERVALS = ("mAP@10",)
MARKDOWN_INTERVALS = ("R@1", "R@10", "mAP@10")


def criterion_line(scores: SetScores) -> str:
    """The figure by which training chooses checkpoints, for this set."""
    value = mean_of_languages(scores)[CRITERION]
    return f"{CRITERION}, the mean of both directions and of all languages: {value:.2f} %."


def direction_table(
    scores: SetScores, direction: str, with_intervals: Collection[str] = MARKDOWN_INTERVALS
) -> Table:
    """Languages x metrics of one direction, the mean of the other languages, and chance.

    Args:
        scores: of one test set, by language.
        direction: "t2a" or "a2t".
        with_intervals: metrics that are followed by their 95 % interval.
    """
    rows: List[List[str]] = []
    for lang, entry in scores.items():
        spread = entry.get("intervals", {}).get(direction, {})
        cells = [
            with_interval(name, entry[direction][name], spread.get(name))
            if name in with_intervals
            else number(name, entry[direction][name])
            for name in METRICS
        ]
        rows.append([lang, str(entry["clips"]), str(entry["captions"]), *cells])
    others = mean_of_others(scores, direction)
    if others and len(scores) > 2:  # of one other it would say the same again
        cells = [number(name, others[name]) for name in METRICS]
        rows.append([f"mean of the {len(scores) - 1} others", "", "", *cells])
    chance = {lang: entry.get("chance", {}).get(direction) for lang, entry in scores.items()}
    rows += _chance_rows(chance)
    return Table([DIRECTIONS[direction], "clips", "captions", *METRICS], rows)


def _chance_rows(chance: Mapping[str, Optional[Mapping[str, float]]]) -> List[List[str]]:
    """One row, or one for each group of languages whose numbers of clips and captions differ."""
    groups: Dict[tuple, List[str]] = {}
    for lang, values in chance.items():
        if values:
            cells = tuple(number(name, values[name]) for name in METRICS)
            groups.setdefault(cells, []).append(lang)
    return [
        ["chance" if len(groups) == 1 else f"chance ({', '.join(langs)})", "", "", *cells]
        for cells, langs in groups.items()
    ]


def relevance_table(scores: SetScores) -> Table:
    """mAP (at 16 as in DCASE 2025) and recall where captions have lists of relevant clips."""
    names = ("R@1", "R@5", "R@10", "mAP@10", "mAP@16")
    rows = []
    for lang, scored in scores.items():
        entry = scored.get("multiple_positives")
        if entry:
            cells = [
                with_interval(name, entry["t2a"][name], entry["intervals"]["t2a"][name])
                for name in names
            ]
            per_caption = f"{entry['clips_a_caption']:.1f}"
            rows.append([lang, str(entry["captions"]), per_caption, *cells])
    return Table(["Text to audio, lists", "captions", "clips per caption", *names], rows)


def consistency_table(scores: SetScores) -> Table:
    """Mean rank variance, and the spread of R@1 over languages; no rows where there is nothing to compare."""
    entry = scores.consistency
    headers = [
        "Over languages",
        "languages",
        "captions",
        MRV,
        *(f"{way.upper()} R@1, best - worst" for way in DIRECTIONS),
    ]
    if not entry:
        return Table(headers, [])
    bounds = entry.get("intervals", {"spread": {}})
    cells = [with_interval(MRV, entry[MRV], bounds.get(MRV))]
    cells += [
        with_interval("spread", entry["spread"][way], bounds["spread"].get(way))
        for way in DIRECTIONS
    ]
    return Table(headers, [["all", str(entry["languages"]), str(entry["captions"]), *cells]])


def difference_table(scores: SetScores) -> Table:
    """Differences to another experiment; a star where their interval does not hold 0."""
    rows, to = [], ""
    for lang, entry in scores.items():
        if "difference" not in entry:
            continue
        to = entry["difference"]["to"]
        cells = [
            with_difference(*entry["difference"][way][name])
            for way in DIRECTIONS
            for name in COMPARED_METRICS
        ]
        rows.append([lang, *cells])
    headers = [f"{way.upper()} {name}" for way in DIRECTIONS for name in COMPARED_METRICS]
    return Table([f"Difference to {to}", *headers], rows)


def score_tables(
    scores: AllScores, with_intervals: Collection[str] = MARKDOWN_INTERVALS
) -> Dict[str, List[Table]]:
    """The tables of each test set: both directions, then, if any, lists of relevant clips, the consistency
    over languages, rerankers, differences."""
    tables = {}
    for name, languages in scores.items():
        tables[name] = [direction_table(languages, way, with_intervals) for way in DIRECTIONS]
        with_lists = relevance_table(languages)
        if with_lists.rows:
            tables[name].append(with_lists)
        over_languages = consistency_table(languages)
        if over_languages.rows:
            tables[name].append(over_languages)
        tables[name] += reranked_tables(languages)
        differences = difference_table(languages)
        if differences.rows:
            tables[name].append(differences)
    return tables


def comparison_tables(
    experiments: Mapping[str, Sequence[AllScores]], metrics: Sequence[str] = COMPARED_METRICS
) -> Dict[str, List[Table]]:
    """Experiments side by side: the source language and the mean of the others, one table per direction.

    Args:
        experiments: by label, the scores of each of its trainings (seeds); several are shown as mean and
            sample standard deviation. A set that an experiment lacks is shown as "-".
        metrics: which ones.

    Returns:
        Tables by test set.
    """
    sets = list(
        dict.fromkeys(name for seeds in experiments.values() for scores in seeds for name in scores)
    )
    tables: Dict[str, List[Table]] = {}
    for name in sets:
        sources = {
            scores[name].source_lang
            for seeds in experiments.values()
            for scores in seeds
            if name in scores
        }
        source = sources.pop() if len(sources) == 1 else "source"
        for way, title in DIRECTIONS.items():
            headers = [title]
            headers += [f"{source} {metric}" for metric in metrics]
            headers += [f"others {metric}" for metric in metrics]
            rows = []
            for label, seeds in experiments.items():
                groups = [_source_and_others(scores.get(name), way) for scores in seeds]
                rows.append([label, *_mean_cells(groups, metrics)])
            chance = _chance_groups(experiments, name, way)
            if chance:
                rows.append(["chance", *_mean_cells([chance], metrics)])
            tables.setdefault(name, []).append(Table(headers, rows))
    return tables


_Groups = Tuple[Mapping[str, float], Mapping[str, float]]  # of the source language, of the others


def _source_and_others(scores: Optional[SetScores], way: str) -> _Groups:
    if scores is None:
        return {}, {}
    return scores.get(scores.source_lang, {}).get(way, {}), mean_of_others(scores, way)


def _chance_groups(
    experiments: Mapping[str, Sequence[AllScores]], name: str, way: str
) -> Optional[_Groups]:
    """What a random order gives on the test set, which is the same for all experiments."""
    for seeds in experiments.values():
        for scores in seeds:
            chances = {
                lang: {way: entry["chance"][way]}
                for lang, entry in scores.get(name, {}).items()
                if "chance" in entry
            }
            if chances:
                return _source_and_others(SetScores(scores[name].source_lang, chances), way)
    return None


def _mean_cells(seeds: Sequence[_Groups], metrics: Sequence[str]) -> List[str]:
    cells = []
    for group in (0, 1):
        for metric in metrics:
            values = [one[group][metric] for one in seeds if metric in one[group]]
            cell = number(metric, statistics.fmean(values)) if values else "-"
            if len(values) > 1:
                cell += f" ± {statistics.stdev(values):.1f}"
            cells.append(cell)
    return cells
