"""Moment metrics against the definition written out, and figures worked by hand."""

import numpy as np
import pytest

from espnet_mlclap.evaluation.moments import THRESHOLDS, average_precision, iou, score_moments


def naive_iou(one, other):
    both = max(0.0, min(one[1], other[1]) - max(one[0], other[0]))
    return both / (one[1] - one[0] + other[1] - other[0] - both)


def naive_average_precision(guesses, true, threshold):
    """The mean over true spans, of the best precision at which that many are found."""
    free, flags = list(true), []
    for guess in guesses:
        ranked = sorted(free, key=lambda span: -naive_iou(guess, span))
        flags.append(bool(ranked) and naive_iou(guess, ranked[0]) >= threshold)
        if flags[-1]:
            free.remove(ranked[0])
    total = 0.0
    for wanted in range(1, len(true) + 1):
        total += max(
            (sum(flags[:n]) / n for n in range(1, len(flags) + 1) if sum(flags[:n]) >= wanted),
            default=0.0,
        )
    return total / len(true)


def spans(generator, count):
    start = generator.uniform(0, 20, count)
    return np.stack([start, start + generator.uniform(0.5, 8, count)], axis=1)


@pytest.mark.parametrize("seed", range(20))
def test_metrics_are_what_the_definition_says(seed):
    generator = np.random.default_rng(seed)
    true = {f"c{n}": spans(generator, generator.integers(1, 4)) for n in range(10)}
    predicted = {
        key: np.concatenate([spans(generator, generator.integers(0, 6)), value + 0.3])
        for key, value in list(true.items())[:-1]
    }
    langs = {key: "eng_Latn" if n % 2 else "fra_Latn" for n, key in enumerate(true)}
    scores = score_moments(predicted, true, langs)
    for lang in ("eng_Latn", "fra_Latn"):
        keys = [key for key in true if langs[key] == lang]
        guesses = [predicted.get(key, np.empty((0, 2))).tolist() for key in keys]
        facts = [true[key].tolist() for key in keys]
        for threshold in (0.5, 0.7):
            hits = [
                bool(g) and max(naive_iou(g[0], span) for span in t) >= threshold
                for g, t in zip(guesses, facts)
            ]
            assert scores[lang][f"R1@{threshold}"] == pytest.approx(100 * np.mean(hits))
        precision = [
            naive_average_precision(g, t, threshold)
            for g, t in zip(guesses, facts)
            for threshold in THRESHOLDS
        ]
        assert scores[lang]["mAP"] == pytest.approx(100 * np.mean(precision))
    both = [scores[lang]["mAP"] for lang in ("eng_Latn", "fra_Latn")]
    assert scores["mean"]["mAP"] == pytest.approx(np.mean(both))


def test_by_hand():
    true = np.array([[0.0, 10.0], [20.0, 30.0]])
    guesses = np.array([[0.0, 5.0], [50.0, 60.0], [20.0, 30.0], [0.0, 9.0]])
    np.testing.assert_allclose(iou(guesses, true)[:, 0], [0.5, 0, 0, 0.9])
    overlaps = iou(guesses, true)
    assert average_precision(overlaps, 0.5) == pytest.approx((1 + 2 / 3) / 2)
    assert average_precision(overlaps, 0.75) == pytest.approx((2 / 4 + 2 / 4) / 2)
    assert average_precision(overlaps, 0.95) == pytest.approx((1 / 3) / 2)
    assert THRESHOLDS == (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)
