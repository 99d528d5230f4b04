"""Metrics against sorting loops and averages over all orders of ties.

The figures of the published code are compared in test/tools/test_check_golden.py.
"""

import itertools
import subprocess
import sys

import numpy as np
import pytest

from espnet_mlclap.evaluation.metrics import (
    Places,
    chance_scores,
    query_values,
    relevance_values,
    retrieval_scores,
    retrieval_values,
)

NAMES = {"R@1", "R@5", "R@10", "R@50", "medR", "meanR", "mAP@10"}


def naive_query(order, relevant):
    """Metrics of one query whose items stand in `order`, by the definitions."""
    places = sorted(list(order).index(item) + 1 for item in relevant)
    values = {f"R@{k}": float(places[0] <= k) for k in (1, 5, 10, 50)}
    for k in (10, 16):
        hits = [(i + 1) / place for i, place in enumerate(places) if place <= k]
        values[f"mAP@{k}"] = sum(hits) / len(relevant)
    values["rank"] = places[0]
    return values


def naive_scores(queries):
    scores = {name: 100.0 * np.mean([query[name] for query in queries]) for name in queries[0]}
    ranks = np.array([query["rank"] for query in queries])
    scores["medR"] = np.floor(np.median(ranks - 1)) + 1
    scores["meanR"] = ranks.mean()
    del scores["rank"]
    return scores


@pytest.mark.parametrize("seed", range(3))
def test_uneven_captions_against_sorting(seed):
    generator = np.random.default_rng(seed)
    clip = np.r_[np.arange(40), generator.integers(40, size=90)]
    generator.shuffle(clip)
    clip[clip == 11] = 12  # a clip without captions: in the gallery, but no query
    audio = generator.standard_normal((40, 12))
    text = audio[clip] + 1.5 * generator.standard_normal((130, 12))
    cosine = (text / np.linalg.norm(text, axis=1, keepdims=True)) @ (
        audio / np.linalg.norm(audio, axis=1, keepdims=True)
    ).T
    t2a = [naive_query(np.argsort(-cosine[i]), [clip[i]]) for i in range(130)]
    a2t = [
        naive_query(np.argsort(-cosine[:, j]), np.flatnonzero(clip == j))
        for j in range(40)
        if j != 11
    ]
    scores = retrieval_scores(audio, text, clip)
    for direction, queries in (("t2a", t2a), ("a2t", a2t)):
        expected = naive_scores(queries)
        assert set(scores[direction]) == NAMES
        for name, value in scores[direction].items():
            assert value == pytest.approx(expected[name], abs=1e-9), (direction, name)


def test_ties_count_with_the_mean_over_all_orders():
    # Items a..f with these similarities; the query's relevant items are marked.
    similarity = np.array([5, 4, 4, 4, 2, 2])
    for relevant in ([0, 1], [1, 2], [1, 4], [2, 4, 5], [3], [1, 2, 3]):
        runs = []
        for order in itertools.permutations(range(6)):
            if all(similarity[a] >= similarity[b] for a, b in itertools.pairwise(order)):
                runs.append(naive_query(order, relevant))
        greater = np.array([(similarity > similarity[item]).sum() for item in relevant])
        equal = np.array([(similarity == similarity[item]).sum() for item in relevant])
        places = Places(np.zeros(len(relevant), int), greater, equal)
        for map_at in (10, 16):
            values = query_values(places, map_at=(map_at,), recall_at=(1, 5, 10, 50))
            for name, value in values.means.items():
                assert value[0] == pytest.approx(np.mean([run[name] for run in runs])), relevant
            assert values.rank[0] == pytest.approx(np.mean([run["rank"] for run in runs]))


def test_ties_at_a_cut_off():
    # 30 level items, 4 of them relevant, simulated.
    generator = np.random.default_rng(0)
    runs = [naive_query(generator.permutation(30), range(4)) for _ in range(4000)]
    places = Places(np.zeros(4, int), np.zeros(4, int), np.full(4, 30))
    values = query_values(places)
    for name, value in values.means.items():
        assert value[0] == pytest.approx(np.mean([run[name] for run in runs]), abs=0.03)
    assert values.rank[0] == pytest.approx(31 / 5)
    assert values.tied == 1


def test_collapsed_embeddings_score_at_chance():
    clip = np.repeat(np.arange(30), 4)
    scores = retrieval_scores(np.ones((30, 8)), np.ones((120, 8)), clip)
    chance = chance_scores(np.full(30, 4))
    for direction in ("t2a", "a2t"):
        for name in ("R@1", "R@5", "R@10", "R@50", "mAP@10", "meanR"):
            assert scores[direction][name] == pytest.approx(chance[direction][name], abs=1e-9)


def test_chance_equals_a_simulation():
    captions = np.array([1, 2, 5, 0, 3, 3, 7, 1])
    clip = np.repeat(np.arange(8), captions)
    generator = np.random.default_rng(0)
    runs = {"t2a": [], "a2t": []}
    for _ in range(3000):
        runs["t2a"] += [naive_query(generator.permutation(8), [clip[0]])]
        for query in np.flatnonzero(captions):
            order = generator.permutation(len(clip))
            runs["a2t"].append(naive_query(order, np.flatnonzero(clip == query)))
    chance = chance_scores(captions)
    for direction, queries in runs.items():
        expected = naive_scores(queries)
        for name in ("R@1", "R@5", "R@10", "mAP@10"):
            assert chance[direction][name] == pytest.approx(expected[name], abs=2.5)
        assert chance[direction]["meanR"] == pytest.approx(expected["meanR"], abs=0.15)
        assert abs(chance[direction]["medR"] - expected["medR"]) <= 1


def test_a_row_of_zeros_is_ranked_last_of_the_positive_ones():
    audio = np.eye(4)
    audio[2] = 0.0
    values = retrieval_values(audio, np.eye(4) + 0.1, np.arange(4))
    np.testing.assert_allclose(values["t2a"].rank, [1, 1, 4, 1])
    # all captions are level for the silent clip
    np.testing.assert_allclose(values["a2t"].rank, [1, 1, 2.5, 1])
    assert values["a2t"].tied == 1
    assert values["t2a"].tied == 0


def test_lists_of_relevant_clips_as_in_dcase():
    generator = np.random.default_rng(5)
    audio, text = generator.standard_normal((40, 6)), generator.standard_normal((25, 6))
    cosine = (text / np.linalg.norm(text, axis=1, keepdims=True)) @ (
        audio / np.linalg.norm(audio, axis=1, keepdims=True)
    ).T
    relevant = {i: generator.choice(40, generator.integers(1, 20), False) for i in range(0, 25, 2)}
    caption = np.concatenate([[i] * len(clips) for i, clips in relevant.items()])
    clip = np.concatenate(list(relevant.values()))
    shuffled = generator.permutation(len(clip))
    values = relevance_values(audio, text, caption[shuffled], clip[shuffled])
    np.testing.assert_array_equal(values.query, list(relevant))
    expected = naive_scores(
        [naive_query(np.argsort(-cosine[i]), clips) for i, clips in relevant.items()]
    )
    scores = values.scores()
    assert set(scores) == {"R@1", "R@5", "R@10", "R@50", "mAP@10", "mAP@16", "medR", "meanR"}
    for name, value in scores.items():
        assert value == pytest.approx(expected[name], abs=1e-9)


def test_a_relevant_pair_twice_is_an_error():
    with pytest.raises(ValueError, match="appears twice"):
        relevance_values(np.eye(3), np.eye(3), np.array([0, 1, 0]), np.array([2, 2, 2]))


def test_wrong_number_of_captions_is_an_error():
    with pytest.raises(ValueError, match="one entry per caption"):
        retrieval_scores(np.eye(3), np.eye(3), np.array([0, 1]))


def test_metrics_start_fast_and_without_torch():
    code = "import sys; import espnet_mlclap.evaluation.metrics; print('torch' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"
