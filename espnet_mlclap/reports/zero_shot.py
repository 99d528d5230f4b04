"""The table of zero-shot accuracies."""

from typing import Any, Mapping

from espnet_mlclap.evaluation.embeddings import sort_languages
from espnet_mlclap.utils.tables import Table


def zero_shot_table(scores: Mapping[str, Mapping[str, Any]], source_lang: str) -> Table:
    """Accuracy by language, the mean of the languages other than the source, and chance."""
    rows = []
    for lang in sort_languages(scores, source_lang):
        entry = scores[lang]
        low, high = entry["interval"]
        accuracy = f"{entry['accuracy']:.1f} [{low:.1f}, {high:.1f}]"
        counts = [str(entry[key]) for key in ("clips", "classes", "prompts")]
        rows.append([lang, *counts, accuracy, f"{entry['chance']:.1f}"])
    others = [entry["accuracy"] for lang, entry in scores.items() if lang != source_lang]
    if len(others) > 1 and source_lang in scores:
        mean = f"{sum(others) / len(others):.1f}"
        rows.append([f"mean of the {len(others)} others", "", "", "", mean, ""])
    headers = ["Zero-shot", "clips", "classes", "prompts", "accuracy", "chance"]
    return Table(headers, rows)
