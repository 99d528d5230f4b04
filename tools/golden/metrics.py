"""Retrieval metrics: figures and ranks of the published code where nothing is tied, bounds where it is.

Every set `<name>` of `metrics.json` has `audio_<name>` and `text_<name>` in `embeddings.npz` and ranks in
`ranks.npz`; the captions of a clip are next to each other. The published code orders ties by an accident of
sorting, so there only its bounds count.
"""

import json
from pathlib import Path
from typing import Any, Dict, Set

import numpy as np

from espnet_mlclap.evaluation.metrics import RECALL_AT, QueryValues, retrieval_values
from golden.compare import Report

EXACT = 1e-9
# ours -> theirs
NAMES = {
    "R@1": "r1",
    "R@5": "r5",
    "R@10": "r10",
    "R@50": "r50",
    "medR": "medr",
    "meanR": "meanr",
    "mAP@10": "mAP10",
}
_EMBEDDINGS, _RANKS, _FIGURES = (
    "metrics/embeddings.npz",
    "metrics/ranks.npz",
    "metrics/metrics.json",
)


def check(folder: Path, report: Report) -> None:
    """Compare everything in the folder `metrics`."""
    sets = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))["sets"]
    embeddings, ranks = (
        dict(np.load(folder / "embeddings.npz")),
        dict(np.load(folder / "ranks.npz")),
    )
    handled: Set[str] = set()
    names = {key.removeprefix("audio_") for key in embeddings if key.startswith("audio_")}
    for name in sorted(names ^ set(sets)):
        report.problems.append(f"{_FIGURES}: {name} is not in both this and {_EMBEDDINGS}")
    for direction in ("t2a", "a2t"):
        report.expect(_FIGURES, f"{direction}: all figures", EXACT)
        report.expect(_RANKS, f"{direction}_ranks_* (places)", 0)
    for name in sorted(names & set(sets)):
        audio, text = embeddings[f"audio_{name}"], embeddings[f"text_{name}"]
        clip = np.arange(len(text)) // (len(text) // len(audio))
        values = retrieval_values(audio, text, clip)
        check_bounds(name, values["t2a"], ranks, report, handled)
        for direction, queries in values.items():
            if not sets[name]["tied_queries_t2a"] and not queries.tied:
                check_figures(name, direction, queries, sets[name], report)
                check_ranks(name, direction, queries, clip, ranks, report)
            handled |= {f"{direction}_{kind}_{name}" for kind in ("ranks", "top1")}
    report.check_keys(_RANKS, ranks, handled, {})


def check_figures(
    name: str, direction: str, queries: QueryValues, golden: Dict[str, Any], report: Report
) -> None:
    """Compare the figures of a set without ties, which hold for any way of sorting."""
    scores = queries.scores()
    for kind in (direction, f"{direction}_stable_argsort"):
        for ours, theirs in NAMES.items():
            key, expected = f"{name} {kind} {ours}", golden[kind][theirs]
            quantity = f"{direction}: all figures"
            report.compare(_FIGURES, quantity, EXACT, key, scores[ours], expected)


def check_ranks(
    name: str,
    direction: str,
    queries: QueryValues,
    clip: np.ndarray,
    ranks: Dict[str, np.ndarray],
    report: Report,
) -> None:
    """Compare the rank of each query of a set without ties, and whether the first item is the right one."""
    key = f"{direction}_ranks_{name}"
    report.compare(
        _RANKS, f"{direction}_ranks_* (places)", 0, key, queries.rank - 1, ranks.get(key, np.nan)
    )
    key = f"{direction}_top1_{name}"
    if key in ranks:
        own = ranks[key] == clip if direction == "t2a" else clip[ranks[key]] == queries.query
        quantity = f"{direction}_top1_* (own or not)"
        report.compare(_RANKS, quantity, 0, key, queries.rank == 1, own)


def check_bounds(
    name: str, queries: QueryValues, ranks: Dict[str, np.ndarray], report: Report, handled: Set[str]
) -> None:
    """How far expected ranks are outside of what the ties allow."""
    keys = [f"t2a_rank_{end}_{name}" for end in ("lo", "hi")]
    handled.update(keys)
    if not all(key in ranks for key in keys):
        report.problems.append(f"{_RANKS}: {' or '.join(keys)} is missing")
        return
    low, high = (ranks[key] + 1 for key in keys)
    outside = np.maximum(low - queries.rank, queries.rank - high).max()
    _outside(name, "t2a_rank_lo/hi_* (places outside)", outside, report)
    scores = queries.scores()
    for k in RECALL_AT:
        recall = scores[f"R@{k}"] / 100
        outside = max(np.mean(high <= k) - recall, recall - np.mean(low <= k))
        _outside(name, "t2a R@k within the bounds (share outside)", outside, report)
    median = scores["medR"]
    outside = max(np.floor(np.median(low)) - median, median - np.floor(np.median(high)))
    _outside(name, "t2a medR within the bounds (places outside)", outside, report)


def _outside(name: str, quantity: str, outside: float, report: Report) -> None:
    report.add(_RANKS, quantity, EXACT, name, max(0.0, float(outside)))
