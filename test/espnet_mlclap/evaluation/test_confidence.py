"""Bootstrap intervals against replicates that are really drawn and scored."""

import numpy as np
import pytest

from espnet_mlclap.evaluation.confidence import bootstrap_intervals, mean_interval
from espnet_mlclap.evaluation.metrics import retrieval_values


@pytest.fixture
def values():
    generator = np.random.default_rng(0)
    clip = np.r_[np.arange(60), generator.integers(60, size=120)]
    audio = generator.standard_normal((60, 8))
    return retrieval_values(audio, audio[clip] + generator.standard_normal((180, 8)), clip)


@pytest.mark.parametrize("direction", ["t2a", "a2t"])
def test_intervals_equal_scoring_of_resampled_queries(values, direction):
    queries = values[direction]
    generator = np.random.default_rng(7)
    replicates = {name: [] for name in queries.scores()}
    for _ in range(200):
        drawn = generator.integers(60, size=60)
        chosen = np.concatenate([np.flatnonzero(queries.clip == clip) for clip in drawn])
        for name, column in queries.means.items():
            replicates[name].append(100 * column[chosen].mean())
        replicates["meanR"].append(queries.rank[chosen].mean())
        replicates["medR"].append(np.floor(np.median(queries.rank[chosen] - 1)) + 1)
    intervals = bootstrap_intervals(queries, replicates=200, seed=7)
    assert set(intervals) == set(replicates)
    for name, samples in replicates.items():
        np.testing.assert_allclose(intervals[name], np.percentile(samples, [2.5, 97.5]))


def test_intervals_hold_the_figure_and_are_seeded(values):
    queries = values["t2a"]
    first, second = bootstrap_intervals(queries), bootstrap_intervals(queries)
    assert first == second
    assert first != bootstrap_intervals(queries, seed=1)
    for name, value in queries.scores().items():
        assert first[name][0] <= value <= first[name][1]


def test_the_interval_of_a_mean_covers_the_truth():
    generator = np.random.default_rng(0)
    inside = 0
    for trial in range(100):
        low, high = mean_interval(generator.random(80) < 0.3, replicates=300, seed=trial)
        inside += low <= 0.3 <= high
    assert 85 <= inside <= 100


@pytest.mark.parametrize("change", [{"replicates": 0}, {"level": 1.0}])
def test_bad_arguments(values, change):
    with pytest.raises(ValueError, match="need replicates >= 1"):
        bootstrap_intervals(values["t2a"], **change)
