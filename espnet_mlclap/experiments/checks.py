"""Whether the scores of trainings may stand in a table: up to date, of one seed each, of the same data."""

import logging
from collections import Counter
from pathlib import Path
from typing import Any, Container, Dict, Mapping, Optional

from espnet_mlclap.evaluation.scores import AllScores, SetScores
from espnet_mlclap.utils.config import read_yaml

RunScores = Dict[int, AllScores]  # by seed


def find_fault(path: Path, seed: int, test_sets: Optional[Container[str]] = None) -> Optional[str]:
    """Why a training's scores are not those of its folder, and what to run; None where nothing is wrong.

    Args:
        path: scores.json, in the folder of results in the experiment's folder.
        seed: that the name of the experiment's folder says.
        test_sets: whose embeddings matter; None for all that are found.

    Raises:
        UserError: the training's config.yaml cannot be read.
    """
    results, experiment = path.parent, path.parent.parent
    if not (experiment / ".made").is_file():
        return "the training has not ended. Run stages 5 to 7."
    config = experiment / "config.yaml"
    trained = read_yaml(config).get("seed", seed) if config.is_file() else seed
    if trained != seed:
        return f"it was trained with seed {trained} ({config}). Remove {experiment} and run stages 5 to 7."
    places = (*results.glob("*/.made"), *results.glob("*/.made.begun"))
    for marker in (*places, *results.glob("reranked/*/*/.made")):
        if test_sets is not None and marker.parent.name not in test_sets:
            continue
        if marker.name == ".made.begun":
            return f"embedding {marker.parent} has not ended. Run stages 6 and 7."
        if marker.stat().st_mtime > path.stat().st_mtime:
            return f"{marker.parent} was made after the scores. Run stage 7."
    return None


def same_test_data(runs: RunScores, paths: Mapping[int, Path]) -> RunScores:
    """The trainings that were scored on the same: those of most seeds, or of as many and scored last.

    Args:
        runs: scores by seed.
        paths: scores.json of each, which a warning names where it is left out.
    """
    kinds = {seed: str(_kind(scores)) for seed, scores in runs.items()}
    count = Counter(kinds.values())
    most = max(
        runs, key=lambda seed: (count[kinds[seed]], paths[seed].stat().st_mtime), default=None
    )
    for seed in runs:
        if kinds[seed] != kinds[most]:
            logging.warning(
                "%s: left out, since it is not of the same test data as %s: %s. Run stages 6 and 7 of both "
                "with the same options.",
                paths[seed],
                paths[most],
                _difference(runs[seed], runs[most]),
            )
    return {seed: scores for seed, scores in runs.items() if kinds[seed] == kinds[most]}


def _kind(scores: AllScores) -> Dict[str, Dict[str, Any]]:
    """What was scored, in each set and language; equal where values may be averaged."""
    return {name: _kind_of_set(scores[name]) for name in sorted(scores)}


def _kind_of_set(scores: SetScores) -> Dict[str, Any]:
    kind = {lang: _kind_of_language(scores[lang]) for lang in sorted(scores)}
    return {**kind, "consistency": bool(scores.consistency)}


def _kind_of_language(entry: Mapping[str, Any]) -> Dict[str, Any]:
    counts = {name: entry[name] for name in ("clips", "captions") if name in entry}
    fitting = entry.get("multiple_positives")
    return {
        **counts,
        "intervals": "intervals" in entry,
        "captions with lists": fitting and fitting.get("captions"),
        "reranked": " ".join(
            sorted(name.rpartition(", ")[2] for name in entry.get("reranked", {}))
        ),
    }


def _difference(ours: AllScores, others: AllScores) -> str:
    """Where two trainings' scores are of different kinds first."""
    for name in sorted({*ours, *others}):
        if name not in ours or name not in others:
            return f"only one of them has {name}"
        here, there = _kind_of_set(ours[name]), _kind_of_set(others[name])
        for part in sorted({*here, *there}):
            if here.get(part) != there.get(part):
                return f"{name}, {part}: {_text(here.get(part))}, not {_text(there.get(part))}"
    raise ValueError("the scores are of the same kind")


def _text(kind: Any) -> str:
    """Such as "957 clips, 4785 captions, intervals"."""
    if not isinstance(kind, Mapping):
        return "there" if kind else "nothing"
    words = {name: "" if value is True else f"{value} " for name, value in kind.items() if value}
    return ", ".join(f"{value}{name}" for name, value in words.items())
