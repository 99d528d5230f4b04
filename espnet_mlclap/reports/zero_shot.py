"""The table of zero-shot accuracies."""

from typing import Any, Mapping

from espnet_mlclap.evaluation.scores import SOURCE_LANGUAGE
from espnet_mlclap.reports.tables import Table


def zero_shot_table(scores: Mapping[str, Mapping[str, Any]]) -> Table:
    """Accuracy by language, the mean of the languages other than English, and chance."""
    rows = []
    for lang, entry in scores.items():
        low, high = entry["interval"]
        accuracy = f"{entry['accuracy']:.1f} [{low:.1f}, {high:.1f}]"
        counts = [str(entry[key]) for key in ("clips", "classes", "prompts")]
        rows.append([lang, *counts, accuracy, f"{entry['chance']:.1f}"])
    others = [entry["accuracy"] for lang, entry in scores.items() if lang != SOURCE_LANGUAGE]
    if others and SOURCE_LANGUAGE in scores:
        mean = f"{sum(others) / len(others):.1f}"
        rows.append([f"mean of the {len(others)} others", "", "", "", mean, ""])
    headers = ["Zero-shot", "clips", "classes", "prompts", "accuracy", "chance"]
    return Table(headers, rows)
