"""Our figures beside the paper's: means, deviations, intervals, gaps, pictures."""

import dataclasses
import json
import os
import re
import statistics

import pytest

from espnet_mlclap.evaluation.scores import METRICS
from espnet_mlclap.experiments.figures import experiments_by_language
from espnet_mlclap.experiments.plan import Experiment, ExperimentList
from espnet_mlclap.experiments.printed import Column, PrintedFigure
from espnet_mlclap.experiments.report import language_table, printed_table, write_report
from espnet_mlclap.experiments.results import mean_scores, read_runs, summarise
from espnet_mlclap.utils.errors import UserError

TAG = "valid.mAP@10.best"


def entry(value):
    numbers = dict.fromkeys(METRICS, value)
    bounds = {metric: [value - 2.0, value + 3.0] for metric in METRICS}
    return {
        "clips": 10,
        "captions": 50,
        "t2a": numbers,
        "a2t": dict.fromkeys(METRICS, value / 2),
        "intervals": {"t2a": bounds, "a2t": bounds},
        "chance": {"t2a": numbers, "a2t": numbers},
    }


def write_run(expdir, name, seed, value):
    folder = expdir / f"mlclap_{name}_seed{seed}" / TAG
    folder.mkdir(parents=True)
    scores = {
        "test": {
            "source_lang": "eng_Latn",
            "eng_Latn": entry(value),
            "fra_Latn": entry(value - 10.0),
        }
    }
    (folder.parent / ".made").touch()
    (folder / "scores.json").write_text(json.dumps(scores))


@pytest.fixture
def expdir(tmp_path):
    for seed, value in ((1, 40.0), (2, 43.0), (10, 44.5)):
        write_run(tmp_path, "mixture", seed, value)
    write_run(tmp_path, "mixture_20", 1, 30.0)
    write_run(tmp_path, "baseline", 1, 20.0)
    return tmp_path


@pytest.fixture
def runs(expdir):
    names = ("baseline", "mixture", "mixture_20", "fra")
    return {name: read_runs(expdir, name, TAG) for name in names}


def test_runs_are_found_by_their_seeds(runs):
    assert list(runs["mixture"]) == [1, 2, 10]
    assert list(runs["mixture_20"]) == [1]
    assert runs["fra"] == {}


def test_some_seeds_only(expdir):
    assert list(read_runs(expdir, "mixture", TAG, seeds=[2, 3])) == [2]
    assert list(read_runs(expdir, "mixture", TAG, left_out=["mixture_seed2"])) == [1, 10]


def test_scores_of_an_earlier_training_are_left_out(expdir, caplog):
    (expdir / "mlclap_mixture_seed1/.made").unlink()  # being trained again
    later = (expdir / f"mlclap_mixture_seed2/{TAG}/scores.json").stat().st_mtime + 1
    os.utime(expdir / "mlclap_mixture_seed2/.made", (later, later))  # copied: times tell nothing
    assert list(read_runs(expdir, "mixture", TAG)) == [2, 10]
    assert caplog.text.count("left out, since the training has not ended") == 1


def results(expdir, seed):
    """The folder of results of a training."""
    return expdir / f"mlclap_mixture_seed{seed}" / TAG


def made(path, later):
    """Make a marker, so many seconds later than the scores of its training."""
    path.parent.mkdir(parents=True)
    path.touch()
    scores = next(parent for parent in path.parents if parent.name == TAG) / "scores.json"
    time = scores.stat().st_mtime + later
    os.utime(path, (time, time))


@pytest.mark.parametrize("place", ["test", "reranked/x_all/test"])
def test_scores_of_earlier_embeddings_are_left_out(expdir, caplog, place):
    made(results(expdir, 1) / place / ".made", later=-1)
    made(results(expdir, 2) / place / ".made", later=1)
    assert list(read_runs(expdir, "mixture", TAG)) == [1, 10]
    assert f"{place} was made after the scores. Run stage 7." in caplog.text
    assert list(read_runs(expdir, "mixture", TAG, test_sets=["other"])) == [1, 2, 10]


def test_scores_of_embeddings_that_are_being_made_are_left_out(expdir, caplog):
    made(results(expdir, 2) / "test/.made.begun", later=-1)
    assert list(read_runs(expdir, "mixture", TAG)) == [1, 10]
    assert f"embedding {results(expdir, 2)}/test has not ended. Run stages 6 and 7." in caplog.text


def test_a_training_with_another_seed_is_left_out(expdir, caplog):
    for seed, trained in ((1, 1), (2, 3)):
        (results(expdir, seed).parent / "config.yaml").write_text(f"seed: {trained}\n")
    assert list(read_runs(expdir, "mixture", TAG)) == [1, 10]
    assert "it was trained with seed 3" in caplog.text


def without_a_language(test):
    del test["fra_Latn"]


def smaller(test):
    test["eng_Latn"]["clips"] = 4


def with_lists(test):
    test["eng_Latn"]["multiple_positives"] = {"captions": 7, "t2a": {"R@1": 1.0}}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (without_a_language, "test, fra_Latn: nothing, not 10 clips, 50 captions, intervals"),
        (smaller, "test, eng_Latn: 4 clips, 50 captions, intervals, not 10 clips"),
        (with_lists, "intervals, 7 captions with lists, not 10 clips, 50 captions, intervals. Run"),
    ],
)
def test_seeds_are_averaged_over_the_same_test_data(expdir, caplog, change, message):
    path = results(expdir, 2) / "scores.json"
    scores = json.loads(path.read_text())
    change(scores["test"])
    path.write_text(json.dumps(scores))
    assert list(read_runs(expdir, "mixture", TAG)) == [1, 10]
    assert message in caplog.text
    assert "seed2" in caplog.text


def test_a_seed_that_lacks_a_test_set_is_left_out(expdir, caplog):
    """One of the list; others do not matter."""
    for seed, name in ((1, "other"), (2, "test")):
        path = results(expdir, seed) / "scores.json"
        scores = json.loads(path.read_text())
        path.write_text(json.dumps({**scores, name: scores["test"], "third": scores["test"]}))
    scores = json.loads((path := results(expdir, 10) / "scores.json").read_text())
    path.write_text(json.dumps({"other": scores["test"]}))
    assert list(read_runs(expdir, "mixture", TAG, test_sets=["test"])) == [1, 2]
    assert "only one of them has test" in caplog.text


def test_of_two_seeds_that_differ_the_last_scored_counts(expdir):
    path = results(expdir, 2) / "scores.json"
    scores = json.loads(path.read_text())
    smaller(scores["test"])
    path.write_text(json.dumps(scores))
    for seed, time in ((1, 5), (2, 6)):
        os.utime(results(expdir, seed) / "scores.json", (time, time))
    assert list(read_runs(expdir, "mixture", TAG, seeds=[1, 2])) == [2]


def test_mean_deviation_and_interval(runs):
    ours = summarise(runs["mixture"], "test", "eng_Latn", "t2a", "mAP@10")
    values = [40.0, 43.0, 44.5]
    assert ours.mean == pytest.approx(sum(values) / 3)
    assert ours.deviation == pytest.approx(statistics.stdev(values))
    assert (ours.low, ours.high) == pytest.approx((ours.mean - 2, ours.mean + 3))
    assert ours.text() == "42.5 ± 2.3 [40.5, 45.5]"
    alone = summarise(runs["baseline"], "test", "eng_Latn", "a2t", "R@1")
    assert alone.text() == "10.0 [18.0, 23.0]"
    assert summarise(runs["fra"], "test", "eng_Latn", "t2a", "R@1") is None
    assert summarise(runs["mixture"], "other", "eng_Latn", "t2a", "R@1") is None


def test_the_mean_of_languages_and_all_clips_that_fit(runs):
    ours = summarise(runs["baseline"], "test", "mean", "t2a", "R@1")
    assert ours == (15.0, None, None, None)
    assert summarise(runs["fra"], "test", "mean", "t2a", "R@1") is None
    assert summarise(runs["baseline"], "test", "eng_Latn", "t2a", "mAP@16") is None
    scored = {"t2a": {"mAP@16": 70.0}, "intervals": {"t2a": {"mAP@16": [60.0, 80.0]}}}
    runs["baseline"][1]["test"]["eng_Latn"]["multiple_positives"] = scored
    assert summarise(runs["baseline"], "test", "eng_Latn", "t2a", "mAP@16") == (70, None, 60, 80)
    assert summarise(runs["baseline"], "test", "eng_Latn", "fits", "mAP@16") == (70, None, 60, 80)


def test_what_a_reranker_scored_is_read_beside_the_towers(runs):
    entry = runs["baseline"][1]["test"]["eng_Latn"]
    lists = {"t2a": {"mAP@16": 5.0}}
    entry["reranked"] = {
        "x, top 50": {"t2a": {"R@1": 4.0}},
        "x, full matrix": {
            "t2a": {"R@1": 3.0}, "intervals": {"t2a": {"R@1": [2.0, 6.0]}}, "multiple_positives": lists,
        },
    }  # fmt: skip
    arguments = runs["baseline"], "test", "eng_Latn"
    assert summarise(*arguments, "top50:t2a", "R@1") == (4.0, None, None, None)
    assert summarise(*arguments, "all:t2a", "R@1") == (3.0, None, 2.0, 6.0)
    assert summarise(*arguments, "all:fits", "mAP@16") == (5.0, None, None, None)
    assert summarise(*arguments, "top5:t2a", "R@1") is None


def test_a_column_of_the_paper_only_where_it_prints_something(runs, printed):
    table = dataclasses.replace(printed.tables["4"], results={})
    shown = printed_table(table, runs, "test", "Clotho")
    assert shown.headers == ["", "A2T R@1", "A2T mAP@10", "T2A R@1", "T2A mAP@10"]
    assert shown.rows[1][-1] == "30.0 [28.0, 33.0]"


def test_mean_scores_look_like_those_of_one_training(runs):
    mean = mean_scores(runs["mixture"], "test")
    assert mean["fra_Latn"]["t2a"]["R@1"] == pytest.approx(32.5)
    assert mean["fra_Latn"]["intervals"]["t2a"]["R@1"] == pytest.approx([30.5, 35.5])
    assert mean_scores(runs["fra"], "test") == {}


def test_ours_stand_beside_the_papers(runs, printed):
    table = printed_table(printed.tables["4"], runs, "test", "Clotho")
    assert table.headers[:3] == ["", "A2T R@1", "paper"]
    assert table.headers[-2:] == ["T2A mAP@10", "paper"]
    assert table.rows[0][:3] == ["10 %", "21.2 ± 1.1 [40.5, 45.5]", "24.6"]
    assert table.rows[1][-2:] == ["30.0 [28.0, 33.0]", "31.1"]
    assert table.rows[2] == ["30 %", "-", "23.4", "-", "16.0", "-", "19.0", "-", "30.0"]


def listed():
    names = ("baseline", "mixture", "mixture_20", "fra", "pretrained")
    return ExperimentList(
        {name: Experiment(name, {}) for name in names},
        {"finetuned": {"AudioCaps": "mixture"}},
        {"test": "AudioCaps"},
        {"first": "conf/printed.yaml"},
        "Synthetic.\nSmall.",
    )


def test_the_whole_report(expdir, tmp_path, choose):
    out = tmp_path / "new" / "PAPER.md"
    chosen = choose("2 3 4 figure2")
    text = write_report(out, chosen=chosen, listed=listed(), expdir=expdir, inference_tag=TAG)
    assert out.read_text(encoding="utf-8") == text
    assert "arXiv:2406.07012" in text
    assert "> Synthetic.\n> Small." in text
    trained = "Trained: seeds 1 (baseline, mixture_20); seeds 1 2 10 (mixture)."
    assert f"{trained} Not run: fra, pretrained." in text
    text = re.sub(" +", " ", text)  # tables without their alignment
    assert "| OnePeace | - | 51.0 |" in text
    assert "| Proposed: fine-tuning | 21.2 ± 1.1 [40.5, 45.5] | 59.3 |" in text
    assert "| eng_Latn | 20.0 [18.0, 23.0] | 42.5 ± 2.3 [40.5, 45.5] |" in text
    pictures = sorted(path.name for path in (out.parent / "figures").iterdir())
    assert pictures == [f"{name}_test.png" for name in ("figure2", "table2", "table3", "table4")]
    assert all(f"(figures/{name})" in text for name in pictures)


@pytest.mark.parametrize("langs", [["eng_Latn"], ["eng_Latn", "fra_Latn"], []])
def test_figure_2_says_so_where_only_one_language_was_tested(tmp_path, caplog, langs, choose):
    if langs:
        write_run(tmp_path, "mixture", 1, 40.0)
        scores = tmp_path / f"mlclap_mixture_seed1/{TAG}/scores.json"
        scores.write_text(
            json.dumps(
                {"test": {"source_lang": "eng_Latn", **{lang: entry(40.0) for lang in langs}}}
            )
        )
    text = write_report(
        tmp_path / "PAPER.md",
        chosen=choose("2 figure2"),
        listed=listed(),
        expdir=tmp_path,
        inference_tag=TAG,
    )
    sentence = "Other languages were not tested: all captions of test are in eng_Latn"
    assert text.count(sentence) == caplog.text.count(sentence) == (langs == ["eng_Latn"])


def test_accuracies_of_more_languages_and_groups_of_them(expdir, tmp_path):
    """Zero-shot classification in a language without captions."""
    for seed, accuracies in ((1, (80.0, 50.0, 60.0)), (2, (90.0, 70.0, 50.0))):
        folder = expdir / f"mlclap_mixture_seed{seed}/{TAG}/test"
        folder.mkdir()
        langs = zip(("eng_Latn", "fra_Latn", "kor_Hang"), accuracies)
        counts = {"chance": 10.0, "clips": 8, "classes": 2, "prompts": 3}
        scores = {
            lang: {"accuracy": value, "interval": [value - 1, value + 2], **counts}
            for lang, value in langs
        }
        (folder / "zero_shot.json").write_text(json.dumps(scores))
    columns = (Column("zero_shot", "accuracy"), Column("t2a", "R@1"))
    groups = {"two": ("fra_Latn", "kor_Hang")}
    figure = PrintedFigure("Languages", {"LE": "mixture"}, columns, groups)
    runs = {"mixture": read_runs(expdir, "mixture", TAG, seeds=[1, 2])}
    table = language_table(figure, runs, "test")
    assert table.headers == ["", "accuracy, LE", "T2A R@1, LE"]
    assert table.rows == [
        ["eng_Latn", "85.0 ± 7.1 [84.0, 87.0]", "41.5 ± 2.1 [39.5, 44.5]"],
        ["fra_Latn", "60.0 ± 14.1 [59.0, 62.0]", "31.5 ± 2.1 [29.5, 34.5]"],
        ["kor_Hang", "55.0 ± 7.1 [54.0, 57.0]", "-"],
        ["mean of two", "57.5 ± 3.5", "-"],
    ]
    drawn = experiments_by_language(figure, runs, "test", "Languages")
    assert [panel.get_title() for panel in drawn.axes] == ["accuracy", "T2A R@1"]
    assert [bar.get_height() for bar in drawn.axes[0].patches] == [85.0, 60.0, 55.0]
    assert [bar.get_height() for bar in drawn.axes[1].patches] == [41.5, 31.5]


def test_accuracies_of_earlier_embeddings_are_left_out(expdir, caplog):
    path = results(expdir, 1) / "test/zero_shot.json"
    made(path.with_name(".made"), later=-5)
    counts = {"chance": 10.0, "clips": 8, "classes": 2, "prompts": 3}
    path.write_text(json.dumps({"eng_Latn": {"accuracy": 8.0, "interval": [7.0, 9.0], **counts}}))
    assert "test zero-shot" in read_runs(expdir, "mixture", TAG, seeds=[1])[1]
    os.utime(path, (5, 5))
    assert "test zero-shot" not in read_runs(expdir, "mixture", TAG, seeds=[1])[1]
    assert "older than the embeddings. Run stage 7." in caplog.text


def test_broken_scores_are_named(expdir):
    path = expdir / f"mlclap_baseline_seed1/{TAG}/scores.json"
    path.write_text("{}")
    with pytest.raises(UserError, match="mlclap_baseline_seed1"):
        read_runs(expdir, "baseline", TAG)
