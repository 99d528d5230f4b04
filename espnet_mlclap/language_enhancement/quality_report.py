"""Stage 2's report on the translations: `quality.md` to read, `quality.json` for programs."""

import json
import statistics
from collections import Counter
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Sequence

import numpy as np

from espnet_mlclap.language_enhancement.quality import PROBLEMS, CheckedTranslation, QualityConfig
from espnet_mlclap.utils.tables import Table


def summarize(
    checked: Sequence[CheckedTranslation],
    config: QualityConfig,
    chrf: Optional[Mapping[str, Mapping[str, float]]] = None,
) -> Dict[str, Any]:
    """Figures for each language, as they are in `quality.json`.

    Args:
        checked: translations of one set.
        config: thresholds; says how many examples to show.
        chrf: chrF for each language that has references.

    Returns:
        {"settings": thresholds, "languages": {lang: {"translations", "kept", "problems": {problem: count},
        "length_ratio": median, "copied_words": median, "cosine": {"mean", "p5"}, "chrF", "references",
        "worst": [example]}}, "left_out": [example]}; an example is {"id", "source_id", "lang", "source",
        "translation", "cosine", "problems"}. Keys without a value are absent.
    """
    by_lang: Dict[str, List[CheckedTranslation]] = {}
    for item in checked:
        by_lang.setdefault(item.task.lang, []).append(item)
    languages = {}
    for lang, items in sorted(by_lang.items()):
        problems = Counter(problem for item in items for problem in item.problems)
        entry: Dict[str, Any] = {
            "translations": len(items),
            "kept": sum(item.is_kept(config) for item in items),
            "problems": {name: problems[name] for name in PROBLEMS if problems[name]},
            "length_ratio": round(statistics.median(item.length_ratio for item in items), 3),
            "copied_words": round(statistics.median(item.copied_words for item in items), 3),
        }
        cosines = [item.cosine for item in items if item.cosine is not None]
        if cosines:
            entry["cosine"] = {
                "mean": round(float(np.mean(cosines)), 4),
                "p5": round(float(np.percentile(cosines, 5)), 4),
            }
        if chrf and lang in chrf:
            entry["chrF"] = chrf[lang]["chrF"]
            entry["references"] = chrf[lang]["captions"]
        worst = sorted(items, key=_badness)[: config.worst_examples]
        entry["worst"] = [_example(item) for item in worst]
        languages[lang] = entry
    settings = {
        name: getattr(config, name)
        for name in config.__dataclass_fields__
        if name != "worst_examples"
    }
    left_out = [_example(item) for item in checked if not item.is_kept(config)]
    return {"settings": settings, "languages": languages, "left_out": left_out}


def write_report(folder: Path, summary: Mapping[str, Any], made_by: str) -> None:
    """Write `quality.json` and `quality.md` into a folder.

    Args:
        folder: where; it exists.
        summary: what `summarize` gave.
        made_by: a line that says which translator made the translations.
    """
    text = json.dumps({"made_by": made_by, **summary}, ensure_ascii=False, indent=1)
    (folder / "quality.json").write_text(text + "\n", encoding="utf-8")
    (folder / "quality.md").write_text(_markdown(summary, made_by), encoding="utf-8")


def language_table(summary: Mapping[str, Any]) -> Table:
    """One row per language."""
    languages = summary["languages"]
    shown = [name for name in PROBLEMS if any(name in e["problems"] for e in languages.values())]
    head = ["language", "translations", "kept", *shown, "length ratio", "copied words"]
    with_cosine = any("cosine" in entry for entry in languages.values())
    with_chrf = any("chrF" in entry for entry in languages.values())
    head += ["cosine", "cosine (5 %)"] if with_cosine else []
    head += ["chrF", "references"] if with_chrf else []
    rows = []
    for lang, entry in languages.items():
        cells = [lang, entry["translations"], entry["kept"]]
        cells += [entry["problems"].get(name, 0) for name in shown]
        cells += [f"{entry['length_ratio']:.2f}", f"{entry['copied_words']:.2f}"]
        if with_cosine:
            cosine = entry.get("cosine")
            cells += [f"{cosine[key]:.3f}" if cosine else "" for key in ("mean", "p5")]
        if with_chrf:
            cells += [
                f"{entry['chrF']:.1f}" if "chrF" in entry else "",
                entry.get("references", ""),
            ]
        rows.append([str(cell) for cell in cells])
    return Table(head, rows)


def _markdown(summary: Mapping[str, Any], made_by: str) -> str:
    settings = summary["settings"]
    lines = [
        "# Quality of the translations",
        "",
        made_by,
        "",
        language_table(summary).markdown(),
        "",
    ]
    lines.append(
        "Translations with a problem are left out."
        if settings["filter"]
        else "Translations with a problem are kept, except empty ones (quality.filter is false)."
    )
    lines += [
        "",
        "Length ratio: median of (characters of translation + 10) / (of source + 10). Copied words: median",
        "of the share of a translation's words that are in the source; copies are a problem only where it",
        "is less than half of max_copied_words. What is checked:",
        "",
    ]
    thresholds = {
        "script": "min_script", "copied": "max_copied_words", "repeated": "max_repeats",
        "length": "max_length_ratio", "cosine": "min_cosine",
    }  # fmt: skip
    for problem, meaning in PROBLEMS.items():
        name = thresholds.get(problem)
        value = settings[name] if name else None
        threshold = f" ({name}: {'off' if value is None else value})" if name else ""
        lines.append(f"- {problem}: {meaning}{threshold}")
    for lang, entry in summary["languages"].items():
        if not entry["worst"]:
            continue
        lines += ["", f"## {lang}: the worst {len(entry['worst'])}", ""]
        rows = [
            [
                example["source"],
                example["translation"],
                " ".join(example["problems"]),
                f"{example['cosine']:.3f}" if "cosine" in example else "",
            ]
            for example in entry["worst"]
        ]
        headers = ["source", "translation", "problems", "cosine"]
        lines.append(Table(headers, rows, text_columns=3).markdown())
    return "\n".join(lines) + "\n"


def _badness(item: CheckedTranslation):
    """Sort key: more problems first, then the lower cosine, then the longer."""
    cosine = item.cosine if item.cosine is not None else 1.0
    return -len(item.problems), round(cosine, 4), -item.length_ratio, item.task.key


def _example(item: CheckedTranslation) -> Dict[str, Any]:
    example = {
        "id": item.task.key,
        "source_id": item.task.source_key,
        "lang": item.task.lang,
        "source": item.task.source.text,
        "translation": item.text,
        "problems": list(item.problems),
    }
    if item.cosine is not None:
        example["cosine"] = round(item.cosine, 4)
    return example
