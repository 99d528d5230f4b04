"""Language enhancement: how many translated captions an epoch draws, for each clip and each language.

Draws are random on both sides, so distributions are compared: differences are in standard errors of both
samples, except where nothing is random.
"""

import json
from collections import Counter
from pathlib import Path
from typing import Any, Dict

import numpy as np

from espnet_mlclap.fileio.caption_columns import CaptionColumns
from espnet_mlclap.fileio.data_dir import Caption, caption_id
from espnet_mlclap.iterators.epoch_plan import EpochPlan
from espnet_mlclap.iterators.plan_options import PlanOptions
from golden.compare import Report

_FILE = "le/le_stats.json"
SOURCE = "eng_Latn"
STANDARD_ERRORS = 4
OF_MANY = 5  # of several dozen values one may well be beyond 4
_EPOCHS = 60  # at most, of ours


def check(folder: Path, report: Report) -> None:
    """Compare everything in the folder `le`."""
    rows = json.loads((folder / "le_stats.json").read_text(encoding="utf-8"))["stats"]
    report.expect(_FILE, "translated_per_epoch_mean (standard errors)", STANDARD_ERRORS)
    for row in rows:
        check_row(row, report)


def check_row(row: Dict[str, Any], report: Report) -> None:
    """Compare one setting."""
    langs = [lang for lang in row["mix_langs"] if lang != SOURCE]
    key = f"{row['kind']}, {row['ml_percent']:g}, {len(langs)} languages, mix_train {row['mix_train']}"
    ratio = row["ml_percent"] if row["mix_train"] else 0.0
    plan = _plan(row, langs, ratio)
    epochs = min(row["epochs"], _EPOCHS)
    drawn = [
        [plan.captions[caption] for caption in plan.draw(epoch)] for epoch in range(1, epochs + 1)
    ]
    originals = [sum(caption.lang == SOURCE for caption in captions) for captions in drawn]
    expected = row["clips"] * row["english_captions_per_clip"]
    quantity = "captions of the source language (all, every epoch)"
    report.compare(_FILE, quantity, 0, key, originals, [expected] * epochs)

    translated = [[c for c in captions if c.lang != SOURCE] for captions in drawn]
    shares = 1 / epochs + 1 / row["epochs"]
    variance = row["translated_available_per_clip"] * row["clips"] * ratio * (1 - ratio)
    _standard_errors(
        report,
        "translated_per_epoch_mean",
        key,
        np.mean([len(captions) for captions in translated]) - row["translated_per_epoch_mean"],
        (variance * shares) ** 0.5,
    )
    totals = Counter(caption.lang for captions in translated for caption in captions)
    for lang in langs:
        difference = totals[lang] / epochs - row["per_lang_total"][lang] / row["epochs"]
        error = (variance / len(langs) * shares) ** 0.5
        where = f"{key}: {lang}"
        _standard_errors(report, "per_lang_total", where, difference, error, OF_MANY)
    per_clip = np.zeros((epochs, row["clips"]))
    for epoch, captions in enumerate(translated):
        for clip, count in Counter(caption.clip for caption in captions).items():
            per_clip[epoch, int(clip)] = count
    # standard error of the variance of a sample: its fourth moment is a binomial's
    spread = row["translated_available_per_clip"] * ratio * (1 - ratio)
    kurtosis = (1 - 6 * ratio * (1 - ratio)) / spread if spread else 0.0
    error = spread * ((2 + kurtosis) * shares / row["clips"]) ** 0.5
    difference = per_clip.var() - row["translated_per_clip_var"]
    _standard_errors(report, "translated_per_clip_var", key, difference, error)


def _standard_errors(
    report: Report,
    quantity: str,
    key: str,
    difference: float,
    error: float,
    tolerance: float = STANDARD_ERRORS,
) -> None:
    value = abs(difference) / max(error, 1e-9)  # exact where nothing is random
    report.add(_FILE, f"{quantity} (standard errors)", tolerance, key, value)


def _plan(row: Dict[str, Any], langs: list, ratio: float) -> EpochPlan:
    clips = [str(number) for number in range(row["clips"])]
    each = row["translated_available_per_clip"] // max(1, len(langs))
    numbers = {SOURCE: row["english_captions_per_clip"], **dict.fromkeys(langs, each)}
    captions = {
        lang: {
            caption_id(clip, lang, number + 1): Caption("a", clip, lang)
            for clip in clips
            for number in range(count)
        }
        for lang, count in numbers.items()
    }
    return EpochPlan(
        lengths=dict.fromkeys(clips, 1.0),
        originals=CaptionColumns.of(captions.pop(SOURCE)),
        translations=CaptionColumns.join([CaptionColumns.of(part) for part in captions.values()]),
        options=PlanOptions(le_ratio=ratio),
    )
