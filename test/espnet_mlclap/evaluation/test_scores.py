"""scores.json: its layout, lists of relevant clips, broken files."""

import json
import shutil

import numpy as np
import pytest

from espnet_mlclap.evaluation.embeddings import read_embeddings
from espnet_mlclap.evaluation.metrics import retrieval_scores
from espnet_mlclap.evaluation.scores import (
    MEAN_NAMES,
    METRICS,
    SetScores,
    find_sets,
    mean_of_languages,
    mean_of_others,
    read_relevant_clips,
    read_scores,
    score_set,
    write_scores,
)
from espnet_mlclap.utils.errors import UserError


@pytest.fixture
def embeddings(make_embeddings, tmp_path):
    return read_embeddings(make_embeddings(tmp_path / "inference" / "test", noise=2.0))


def test_layout_and_figures(embeddings):
    scores = score_set(embeddings, replicates=50)
    assert list(scores) == ["eng_Latn", "fra_Latn"]
    for lang, entry in scores.items():
        rows = embeddings.rows_of_language(lang)
        expected = retrieval_scores(
            embeddings.audio, embeddings.text[rows], embeddings.caption_to_clip[rows]
        )
        assert entry["clips"] == 12
        assert entry["captions"] == 24
        for way in ("t2a", "a2t"):
            assert entry[way] == expected[way]
            assert set(entry[way]) == set(METRICS)
            assert set(entry["intervals"][way]) == set(METRICS)
            assert set(entry["chance"][way]) == set(METRICS)
        assert entry["chance"]["t2a"]["R@1"] == pytest.approx(100 / 12)
        assert entry["tied_queries"] == {"t2a": 0, "a2t": 0}
        assert "multiple_positives" not in entry


def test_scores_survive_the_disk(embeddings, tmp_path):
    scores = {"test": score_set(embeddings, replicates=5)}
    write_scores(tmp_path / "scores.json", scores)
    assert read_scores(tmp_path) == scores
    written = json.loads((tmp_path / "scores.json").read_text())["test"]["mean"]
    assert written == mean_of_languages(scores["test"])


def test_the_mean_of_all_languages(embeddings):
    scores = score_set(embeddings, replicates=0)
    assert "intervals" not in scores["eng_Latn"]
    means = mean_of_languages(scores)
    assert set(means) == set(MEAN_NAMES)
    english, french = (
        retrieval_scores(embeddings.audio, embeddings.text[rows], embeddings.caption_to_clip[rows])
        for rows in (embeddings.rows_of_language(lang) for lang in ("eng_Latn", "fra_Latn"))
    )
    for way in ("t2a", "a2t"):
        for name in ("R@1", "R@10", "mAP@10"):
            expected = (english[way][name] + french[way][name]) / 2
            assert means[f"{way}_{name}"] == pytest.approx(expected)
    assert means["mAP@10"] == pytest.approx((means["t2a_mAP@10"] + means["a2t_mAP@10"]) / 2)


def test_a_language_with_few_captions_keeps_the_whole_gallery(embeddings, tmp_path):
    folder = embeddings.path
    keep = [0, 1, *range(24, 48)]  # two English captions, both of the first clip
    np.save(folder / "text_embeddings.npy", embeddings.text[keep])
    lines = (folder / "caption_ids").read_text().splitlines()
    (folder / "caption_ids").write_text("".join(f"{lines[row]}\n" for row in keep))
    scores = score_set(read_embeddings(folder), replicates=5)
    assert scores["eng_Latn"]["clips"] == 12
    assert scores["eng_Latn"]["captions"] == 2
    assert scores["eng_Latn"]["chance"]["t2a"]["R@1"] == pytest.approx(100 / 12)
    assert scores["eng_Latn"]["chance"]["a2t"]["R@1"] == pytest.approx(100)


def test_lists_of_relevant_clips(embeddings, tmp_path):
    path = tmp_path / "relevant"
    path.write_text(
        "clip00-eng_Latn-1 clip00\nclip01-eng_Latn-2 clip05 clip01\nclip02-eng_Latn-1 clip03\n"
    )
    relevant = read_relevant_clips(path, embeddings)
    scores = score_set(embeddings, replicates=20, relevant=relevant)
    entry = scores["eng_Latn"]["multiple_positives"]
    assert entry["captions"] == 3
    assert entry["clips_a_caption"] == pytest.approx(4 / 3)
    unit = embeddings.audio / np.linalg.norm(embeddings.audio, axis=1, keepdims=True)
    precision = []
    for caption, clips in (("clip00-eng_Latn-1", [0]), ("clip01-eng_Latn-2", [5, 1]),
                           ("clip02-eng_Latn-1", [3])):  # fmt: skip
        order = list(np.argsort(-(unit @ embeddings.text[embeddings.captions.index(caption)])))
        places = sorted(order.index(clip) + 1 for clip in clips)
        precision.append(np.mean([(i + 1) / place for i, place in enumerate(places)]))
    assert entry["t2a"]["mAP@16"] == pytest.approx(100 * np.mean(precision))
    assert "multiple_positives" not in scores["fra_Latn"]
    with_own = read_relevant_clips(path, embeddings, own_clip=True)
    assert with_own["clip02-eng_Latn-1"] == ["clip03", "clip02"]
    assert with_own["clip00-eng_Latn-1"] == ["clip00"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("nobody clip00", r"relevant:1: no caption 'nobody'"),
        ("clip00-eng_Latn-1 clip99", r"relevant:1: no clip 'clip99'"),
        ("clip00-eng_Latn-1 clip01 clip01", r"relevant:1: a clip appears twice"),
        ("clip00-eng_Latn-1", r"relevant:1: .* has no value"),
    ],
)
def test_broken_lists(embeddings, tmp_path, line, message):
    (tmp_path / "relevant").write_text(line + "\n")
    with pytest.raises(UserError, match=message):
        read_relevant_clips(tmp_path / "relevant", embeddings)


def test_mean_of_the_other_languages():
    scores = {lang: {"t2a": {"R@1": value}} for lang, value in
              (("eng_Latn", 90.0), ("fra_Latn", 50.0), ("deu_Latn", 70.0))}  # fmt: skip
    assert mean_of_others(SetScores("eng_Latn", scores), "t2a") == {"R@1": 60.0}
    assert mean_of_others(SetScores("fra_Latn", scores), "t2a") == {"R@1": 80.0}
    assert mean_of_others(SetScores("cat_Latn", scores), "t2a") == {}
    english = {"eng_Latn": scores["eng_Latn"]}
    assert mean_of_others(SetScores("eng_Latn", english), "t2a") == {}
    assert list(SetScores("fra_Latn", scores)) == ["fra_Latn", "eng_Latn", "deu_Latn"]


def test_the_source_language_survives_the_disk(embeddings, tmp_path):
    scores = {"test": score_set(embeddings, replicates=0, source_lang="fra_Latn")}
    assert list(scores["test"]) == ["fra_Latn", "eng_Latn"]
    write_scores(tmp_path / "scores.json", scores)
    found = read_scores(tmp_path)["test"]
    assert (found.source_lang, list(found)) == ("fra_Latn", ["fra_Latn", "eng_Latn"])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read .* Run stage 7 first"),
        ("{", "broken JSON"),
        ("[]", "must hold scores"),
        (
            json.dumps({"test": {"source_lang": "eng_Latn", "eng_Latn": {"clips": 3}}}),
            "test/eng_Latn has no 'captions'",
        ),
        (json.dumps({"test": {"eng_Latn": {}}}), "test has no 'source_lang'. Run stage 7 again"),
        (json.dumps({"test": 3}), "test has no 'source_lang'"),
    ],
)
def test_broken_scores(tmp_path, content, message):
    if content is not None:
        (tmp_path / "scores.json").write_text(content)
    with pytest.raises(UserError, match=message):
        read_scores(tmp_path)


def test_sets_are_found_by_their_embeddings(embeddings, tmp_path):
    assert find_sets(tmp_path / "inference") == ["test"]
    with pytest.raises(UserError, match="no embeddings in it"):
        find_sets(tmp_path)


def test_sets_that_are_wanted_must_be_there(embeddings, tmp_path):
    shutil.copytree(tmp_path / "inference/test", tmp_path / "inference/extra")
    assert find_sets(tmp_path / "inference") == ["extra", "test"]
    assert find_sets(tmp_path / "inference", ["test"]) == ["test"]
    with pytest.raises(UserError, match=r"--sets none: no embeddings in .*, which has extra, test"):
        find_sets(tmp_path / "inference", ["test", "none"])
