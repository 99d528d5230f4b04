"""Reranked places against lists that are sorted by hand, ties included."""

import numpy as np
import pytest

from espnet_mlclap.evaluation.embeddings import read_embeddings
from espnet_mlclap.evaluation.pair_scores import (
    PairScores,
    Scored,
    most_similar,
    read_pair_scores,
    write_pair_scores,
)
from espnet_mlclap.evaluation.reranked_scores import add_reranked, reranked, reranked_scores
from espnet_mlclap.evaluation.scores import score_set
from espnet_mlclap.utils.errors import UserError


def pair_scores(embeddings, top, seed=1):
    """Random scores of coarse steps, so that there are ties, the same in both directions."""
    matrix = np.random.default_rng(seed).integers(
        0, 6, (len(embeddings.captions), len(embeddings.clips))
    )
    matrix = matrix.astype(np.float32) / 6
    clips = most_similar(embeddings.text, embeddings.audio, top)
    a2t = {}
    for lang in embeddings.languages:
        rows = embeddings.rows_of_language(lang)
        items = rows[most_similar(embeddings.audio, embeddings.text[rows], top)]
        a2t[lang] = Scored(items, np.take_along_axis(matrix.T, items, 1))
    return PairScores("x", Scored(clips, np.take_along_axis(matrix, clips, 1)), a2t), matrix


def test_the_most_similar_rows_against_sorting():
    generator = np.random.default_rng(0)
    queries, gallery = generator.standard_normal((7, 4)), generator.standard_normal((9, 4))
    unit = [rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (queries, gallery)]
    for top in (1, 4, 9, 20):
        for row, found in zip(unit[0] @ unit[1].T, most_similar(queries, gallery, top)):
            assert found.tolist() == sorted(range(9), key=lambda item: -row[item])[:top]


@pytest.mark.parametrize("top", [1, 3, 12])
def test_metrics_are_those_of_lists_sorted_by_hand(make_embeddings, tmp_path, top):
    embeddings = read_embeddings(make_embeddings(tmp_path / "set", noise=2.0))
    scores, matrix = pair_scores(embeddings, top)
    found = reranked_scores(embeddings, scores)
    unit = [
        rows / np.linalg.norm(rows, axis=1, keepdims=True)
        for rows in (embeddings.text, embeddings.audio)
    ]
    similarity = unit[0] @ unit[1].T
    for lang in embeddings.languages:
        rows = embeddings.rows_of_language(lang)
        reciprocal, first = [], []
        for row in rows:
            order = np.argsort(-similarity[row])
            head, own = order[:top], embeddings.caption_to_clip[row]
            if own in head:
                above = sum(matrix[row, clip] > matrix[row, own] for clip in head)
                level = sum(matrix[row, clip] == matrix[row, own] for clip in head)
            else:
                above, level = list(order).index(own), 1
            places = range(above + 1, above + level + 1)
            reciprocal.append(np.mean([1 / place if place <= 10 else 0 for place in places]))
            first.append(np.mean([place == 1 for place in places]))
        assert found[lang]["t2a"]["mAP@10"] == pytest.approx(100 * np.mean(reciprocal))
        assert found[lang]["t2a"]["R@1"] == pytest.approx(100 * np.mean(first))


def test_scores_that_are_the_similarities_change_nothing(make_embeddings, tmp_path):
    embeddings = read_embeddings(make_embeddings(tmp_path / "set", noise=1.0))
    unit = [
        rows / np.linalg.norm(rows, axis=1, keepdims=True)
        for rows in (embeddings.text, embeddings.audio)
    ]
    matrix = unit[0] @ unit[1].T
    towers = score_set(embeddings, replicates=10)
    for top in (2, 5, 100):
        scores, _ = pair_scores(embeddings, top)
        t2a = Scored(scores.t2a.items, np.take_along_axis(matrix, scores.t2a.items, 1))
        a2t = {
            lang: Scored(one.items, np.take_along_axis(matrix.T, one.items, 1))
            for lang, one in scores.a2t.items()
        }
        add_reranked(towers, embeddings, PairScores(f"top {top}", t2a, a2t), replicates=10)
        for entry in towers.values():
            added = entry["reranked"][f"top {top}"]
            assert added["t2a"] == entry["t2a"]
            assert added["a2t"] == entry["a2t"]
            assert added["intervals"] == entry["intervals"]
            assert set(map(tuple, added["difference"]["t2a"].values())) == {(0.0, 0.0, 0.0)}


def test_an_item_that_was_not_scored_stays_behind_those_that_were():
    scored = Scored(np.array([[4, 7]]), np.array([[0.1, 0.9]], np.float32))
    query = np.zeros(4, np.int64)
    # by the towers: 4 and 7 first, 5 level with 7 (and not scored), 6 after them
    greater, equal = np.array([0, 1, 1, 3]), np.array([1, 2, 2, 1])
    found = reranked(greater, equal, scored, query, np.array([4, 7, 5, 6]))
    assert found[0].tolist() == [1, 0, 2, 3]
    assert found[1].tolist() == [1, 1, 1, 1]


def test_lists_of_relevant_clips_are_reranked_too(make_embeddings, tmp_path):
    embeddings = read_embeddings(make_embeddings(tmp_path / "set"))
    scores, matrix = pair_scores(embeddings, 12)
    relevant = dict.fromkeys(embeddings.captions[:3], embeddings.clips[:2])
    found = score_set(embeddings, replicates=10, relevant=relevant)
    add_reranked(found, embeddings, scores, replicates=10, relevant=relevant)
    entry = found["eng_Latn"]["reranked"]["x"]["multiple_positives"]
    hits = []
    for row in range(3):
        best = np.flatnonzero(matrix[row] == matrix[row].max())
        hits.append(np.isin(best, [0, 1]).mean())
    assert entry["t2a"]["R@1"] == pytest.approx(100 * np.mean(hits))
    assert {"mAP@10", "mAP@16"} <= set(entry["difference"]["t2a"])
    assert "multiple_positives" not in found["fra_Latn"]["reranked"]["x"]


def test_what_is_written_is_read_and_checked(make_embeddings, tmp_path):
    embeddings = read_embeddings(make_embeddings(tmp_path / "set"))
    scores, _ = pair_scores(embeddings, 3)
    write_pair_scores(tmp_path / "x", scores, embeddings)
    again = read_pair_scores(tmp_path / "x", embeddings)
    assert again.by == "x"
    assert np.array_equal(again.t2a.items, scores.t2a.items)
    assert np.array_equal(again.a2t["fra_Latn"].scores, scores.a2t["fra_Latn"].scores)
    other = read_embeddings(make_embeddings(tmp_path / "other", clips=5))
    with pytest.raises(UserError, match="of other embeddings than those in"):
        read_pair_scores(tmp_path / "x", other)
    with np.load(tmp_path / "x/pair_scores.npz") as file:
        arrays = dict(file)
    np.savez(tmp_path / "x/pair_scores.npz", **{**arrays, "t2a_items": arrays["t2a_items"] + 10})
    with pytest.raises(UserError, match="does not fit the embeddings"):
        read_pair_scores(tmp_path / "x", embeddings)
    (tmp_path / "x/pair_scores.npz").write_bytes(b"PK")
    with pytest.raises(UserError, match="cannot be read as scores of pairs"):
        read_pair_scores(tmp_path / "x", embeddings)


def test_a_model_that_was_trained_again_needs_its_pairs_scored_again(make_embeddings, tmp_path):
    """The same clips and captions, other vectors: other candidates."""
    before = read_embeddings(make_embeddings(tmp_path / "before"))
    after = read_embeddings(make_embeddings(tmp_path / "after", seed=1))
    assert (before.clips, before.captions) == (after.clips, after.captions)
    write_pair_scores(tmp_path / "x", pair_scores(before, 3)[0], before)
    with pytest.raises(UserError, match="Run stage 6 again"):
        read_pair_scores(tmp_path / "x", after)
