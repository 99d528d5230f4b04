"""How well places in recordings are found by words: R1@0.5, R1@0.7 and mAP over IoU.

The intersection over union (IoU) of two spans of time is 1 for the same span and 0 for spans that do not
overlap. As in QVHighlights (Lei et al., 2021) and task 6 of DCASE 2026: R1@t is the share of captions
whose first span has an IoU of at least t with one of the true spans; mAP is the mean over captions and
over the thresholds 0.5, 0.55, ..., 0.95 of the average precision, in which each true span is found at most
once, by the best span that overlaps it enough.
"""

from typing import Dict, Mapping, Sequence, Tuple

import numpy as np

Spans = np.ndarray  # [n, 2] start and end in seconds; predictions the best first
THRESHOLDS: Tuple[float, ...] = tuple(round(0.5 + 0.05 * step, 2) for step in range(10))


def iou(one: Spans, other: Spans) -> np.ndarray:
    """Intersection over union of each pair: [n, m] of spans [n, 2] and [m, 2]."""
    start = np.maximum(one[:, None, 0], other[None, :, 0])
    end = np.minimum(one[:, None, 1], other[None, :, 1])
    both = np.clip(end - start, 0, None)
    lengths = (one[:, 1] - one[:, 0])[:, None] + (other[:, 1] - other[:, 0])[None]
    return both / np.maximum(lengths - both, 1e-12)


def average_precision(overlaps: np.ndarray, threshold: float) -> float:
    """Average precision of the spans of one caption, with interpolated precision.

    Args:
        overlaps: IoU [predictions, true spans], the best prediction first.
        threshold: IoU from which on a true span counts as found.
    """
    predictions, true_spans = overlaps.shape
    if predictions == 0:
        return 0.0
    left = overlaps.copy()
    right = np.zeros(predictions)
    for number in range(predictions):
        best = int(left[number].argmax())
        if left[number, best] >= threshold:
            right[number] = 1
            left[:, best] = -1  # found
    found = right.cumsum()
    precision = found / np.arange(1, predictions + 1)
    # the best precision at this recall or a higher one
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    return float((precision * right).sum() / true_spans)


def score_moments(
    predicted: Mapping[str, Spans],
    true: Mapping[str, Spans],
    langs: Mapping[str, str],
) -> Dict[str, Dict[str, float]]:
    """Figures in percent for each language, and their mean under "mean".

    Args:
        predicted: spans by caption, the best first; none for a caption that is not there.
        true: spans by caption.
        langs: language of each caption.
    """
    rows: Dict[str, list] = {}
    for caption, spans in true.items():
        guesses = predicted.get(caption, np.empty((0, 2)))
        overlaps = iou(guesses, spans)
        first = overlaps[0].max() if len(guesses) else 0.0
        precisions = [average_precision(overlaps, threshold) for threshold in THRESHOLDS]
        rows.setdefault(langs[caption], []).append(
            (first >= 0.5, first >= 0.7, np.mean(precisions), precisions[0], precisions[5])
        )
    names: Sequence[str] = ("R1@0.5", "R1@0.7", "mAP", "mAP@0.5", "mAP@0.75")
    scores = {
        lang: {"captions": float(len(found))}
        | dict(zip(names, (100 * np.mean(found, axis=0)).tolist()))
        for lang, found in rows.items()
    }
    scores["mean"] = {
        name: float(np.mean([figures[name] for figures in scores.values()]))
        for name in ("captions", *names)
    }
    return scores
