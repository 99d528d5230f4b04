"""Tables of the two towers beside what rerankers make of what they found."""

from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence

from espnet_mlclap.evaluation.scores import DIRECTIONS, SetScores
from espnet_mlclap.reports.cells import with_difference, with_interval
from espnet_mlclap.utils.tables import Table

_SHOWN = ("R@1", "R@10", "mAP@10")
_SHOWN_OF_LISTS = ("mAP@16", "R@1", "R@10")
_TOWERS = "two towers"


def reranked_tables(scores: SetScores) -> List[Table]:
    """A table per direction, and one of lists of relevant clips; none where nothing was reranked."""
    tables = [
        _table(scores, f"{title}, reranked", way, _SHOWN, lambda entry: entry)
        for way, title in DIRECTIONS.items()
    ]
    tables.append(
        _table(
            scores,
            "Text to audio, lists, reranked",
            "t2a",
            _SHOWN_OF_LISTS,
            lambda entry: entry.get("multiple_positives"),
        )
    )
    return [table for table in tables if table.rows]


def _table(
    scores: SetScores,
    title: str,
    way: str,
    metrics: Sequence[str],
    part: Callable[[Mapping[str, Any]], Optional[Mapping[str, Any]]],
) -> Table:
    rows: List[List[str]] = []
    for lang, entry in scores.items():
        rerankers: Dict[str, Any] = entry.get("reranked", {})
        own = part(entry)
        if own is None or not rerankers:
            continue
        rows.append([lang, _TOWERS, *_figures(own, way, metrics), "", ""])
        for name, reranked in rerankers.items():
            found = part(reranked) or {}
            gaps = found.get("difference", {}).get(way, {})
            cells = [
                with_difference(*gaps[metric]) if gaps else "" for metric in _compared(metrics)
            ]
            rows.append(["", name, *_figures(found, way, metrics), *cells])
    changes = [f"difference {metric}" for metric in _compared(metrics)]
    return Table([title, "by", *metrics, *changes], rows, text_columns=2)


def _compared(metrics: Sequence[str]) -> List[str]:
    return ["R@1", next(metric for metric in metrics if metric.startswith("mAP"))]


def _figures(entry: Mapping[str, Any], way: str, metrics: Sequence[str]) -> List[str]:
    intervals = entry.get("intervals", {}).get(way, {})
    return [with_interval(name, entry[way][name], intervals.get(name)) for name in metrics]
