"""Differences of two systems: against a naive bootstrap, in any order of the rows; other sets are named."""

from dataclasses import replace

import numpy as np
import pytest

from espnet_mlclap.evaluation.embeddings import read_embeddings
from espnet_mlclap.evaluation.metrics import retrieval_values
from espnet_mlclap.evaluation.paired import compare_sets, find_results, paired_differences
from espnet_mlclap.utils.errors import UserError


@pytest.fixture
def systems(tmp_path, make_embeddings):
    """A good and a bad system on the same test set."""
    good = make_embeddings(tmp_path / "good", clips=30, noise=1.5)
    bad = make_embeddings(tmp_path / "bad", clips=30, noise=3.0, seed=0)
    return read_embeddings(good), read_embeddings(bad)


def english(embeddings):
    rows = embeddings.rows_of_language("eng_Latn")
    return retrieval_values(
        embeddings.audio, embeddings.text[rows], embeddings.caption_to_clip[rows]
    )


def test_the_same_clips_are_drawn_for_both(systems):
    """Interval of the difference: a loop that draws clips, scores both systems on them, and subtracts."""
    good, bad = (english(system)["t2a"] for system in systems)
    generator = np.random.default_rng(5)
    gaps = []
    for _ in range(300):
        drawn = generator.integers(30, size=30)
        one, other = (
            np.concatenate([values.means["mAP@10"][values.clip == clip] for clip in drawn])
            for values in (good, bad)
        )
        gaps.append(100 * (one.mean() - other.mean()))
    difference, low, high = paired_differences(good, bad, replicates=300, seed=5)["mAP@10"]
    assert difference == pytest.approx(good.scores()["mAP@10"] - bad.scores()["mAP@10"])
    assert [low, high] == pytest.approx(np.percentile(gaps, [2.5, 97.5]).tolist())
    assert low > 0  # so different that it shows


def test_ranks_and_no_median_of_differences(systems):
    good, bad = (english(system)["a2t"] for system in systems)
    differences = paired_differences(good, bad, replicates=10)
    assert differences["meanR"][0] == pytest.approx(good.rank.mean() - bad.rank.mean())
    assert "medR" not in differences


def test_rows_in_another_order_are_the_same_set(systems):
    good, bad = systems
    clips, captions = (
        np.random.default_rng(1).permutation(30),
        np.random.default_rng(2).permutation(120),
    )
    place = np.argsort(clips)
    shuffled = replace(
        bad,
        audio=bad.audio[clips],
        clips=[bad.clips[row] for row in clips],
        text=bad.text[captions],
        captions=[bad.captions[row] for row in captions],
        caption_to_clip=place[bad.caption_to_clip[captions]],
        langs=[bad.langs[row] for row in captions],
    )
    assert compare_sets(good, shuffled, replicates=20) == compare_sets(good, bad, replicates=20)


def test_languages_that_one_lacks_are_left_out(systems, tmp_path, make_embeddings):
    good, _ = systems
    other = read_embeddings(make_embeddings(tmp_path / "one", clips=30, langs=("eng_Latn",)))
    assert list(compare_sets(good, other, replicates=5)) == ["eng_Latn"]


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"clips": 31}, "the clip 'clip30' is not in .*good"),
        ({"captions": 1}, "-2' is not in .*other"),
    ],
)
def test_other_sets_are_named(systems, tmp_path, make_embeddings, sizes, message):
    other = make_embeddings(tmp_path / "other", **{"clips": 30, **sizes})
    with pytest.raises(UserError, match=message):
        compare_sets(systems[0], read_embeddings(other), replicates=5)


def test_results_of_an_experiment_are_found(tmp_path):
    with pytest.raises(UserError, match="no scores.json in it"):
        find_results(tmp_path)
    (tmp_path / "best").mkdir()
    (tmp_path / "best/scores.json").write_text("{}")
    assert find_results(tmp_path) == find_results(tmp_path / "best") == tmp_path / "best"
    for name in ("outdated", "outdated_12"):  # put aside by a training that started again
        (tmp_path / name).mkdir()
        (tmp_path / name / "scores.json").write_text("{}")
    assert find_results(tmp_path) == tmp_path / "best"
    (tmp_path / "last").mkdir()
    (tmp_path / "last/scores.json").write_text("{}")
    with pytest.raises(UserError, match="give one of .*best, .*last"):
        find_results(tmp_path)
