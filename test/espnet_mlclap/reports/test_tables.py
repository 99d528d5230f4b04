"""Tables: the cells, worked by hand."""

from espnet_mlclap.evaluation.scores import SetScores
from espnet_mlclap.reports.reranked import reranked_tables
from espnet_mlclap.reports.tables import (
    comparison_tables,
    direction_table,
    relevance_table,
)


def entry(value, interval=None, chance=1.0):
    metrics = dict.fromkeys(("R@1", "R@5", "R@10", "R@50", "mAP@10", "medR", "meanR"), value)
    bounds = dict.fromkeys(metrics, interval) if interval else {}
    return {
        "clips": 10,
        "captions": 50,
        "t2a": metrics,
        "a2t": {name: number / 2 for name, number in metrics.items()},
        "intervals": {"t2a": bounds, "a2t": bounds},
        "chance": {"t2a": dict.fromkeys(metrics, chance), "a2t": dict.fromkeys(metrics, chance)},
    }


def english(**entries):
    return SetScores("eng_Latn", entries)


def test_direction_table():
    scores = english(
        zho_Hans=entry(20.0), eng_Latn=entry(80.04, [70.0, 90.0]), fra_Latn=entry(40.0)
    )
    table = direction_table(scores, "t2a", with_intervals=("mAP@10",))
    assert table.headers[:4] == ["Text to audio", "clips", "captions", "R@1"]
    assert [row[0] for row in table.rows] == [
        "eng_Latn", "fra_Latn", "zho_Hans", "mean of the 2 others", "chance",
    ]  # fmt: skip
    assert table.rows[0][3:] == ["80.0", "80.0", "80.0", "80.0", "80.0 [70.0, 90.0]", "80", "80.0"]
    assert table.rows[3][3] == "30.0"
    assert table.rows[4][3] == "1.0"
    del scores["zho_Hans"]
    labels = [row[0] for row in direction_table(scores, "t2a").rows]
    assert labels == ["eng_Latn", "fra_Latn", "chance"]


def test_the_source_may_be_another_language_than_english():
    scores = SetScores(
        "fra_Latn", {"eng_Latn": entry(20.0), "fra_Latn": entry(50.0), "cat_Latn": entry(30.0)}
    )
    table = direction_table(scores, "t2a")
    assert [row[0] for row in table.rows[:4]] == [
        "fra_Latn", "eng_Latn", "cat_Latn", "mean of the 2 others",
    ]  # fmt: skip
    assert table.rows[3][3] == "25.0"
    (compared, _) = comparison_tables({"a": [{"test": scores}]}, ["R@1"])["test"]
    assert compared.headers == ["Text to audio", "fra_Latn R@1", "others R@1"]
    assert compared.rows[0] == ["a", "50.0", "25.0"]
    both = {"a": [{"test": scores}], "b": [{"test": english(eng_Latn=entry(7.0))}]}
    (compared, _) = comparison_tables(both, ["R@1"])["test"]
    assert compared.headers[1] == "source R@1"
    assert [row[1] for row in compared.rows[:2]] == ["50.0", "7.0"]


def test_chance_differs_where_the_numbers_of_captions_differ():
    scores = english(eng_Latn=entry(1.0, chance=2.0), fra_Latn=entry(1.0), deu_Latn=entry(1.0))
    labels = [row[0] for row in direction_table(scores, "a2t").rows]
    assert labels[-2:] == ["chance (eng_Latn)", "chance (fra_Latn, deu_Latn)"]


def test_comparison():
    experiments = {
        "with LE": [{"test": english(eng_Latn=entry(80.0), fra_Latn=entry(60.0))}],
        "without": [
            {"test": english(eng_Latn=entry(81.0)), "other": english(eng_Latn=entry(50.0))}
        ],
    }
    tables = comparison_tables(experiments, ["R@1"])
    assert list(tables) == ["test", "other"]
    assert tables["test"][0].headers == ["Text to audio", "eng_Latn R@1", "others R@1"]
    chance = ["chance", "1.0", "1.0"]
    assert tables["test"][0].rows == [["with LE", "80.0", "60.0"], ["without", "81.0", "-"], chance]
    assert tables["test"][1].rows == [["with LE", "40.0", "30.0"], ["without", "40.5", "-"], chance]
    alone = ["chance", "1.0", "-"]
    assert tables["other"][0].rows == [["with LE", "-", "-"], ["without", "50.0", "-"], alone]


def test_comparison_over_seeds():
    seeds = [{"test": english(eng_Latn=entry(value))} for value in (79.0, 80.0, 81.0)]
    table = comparison_tables({"a": seeds}, ["R@1"])["test"][0]
    assert table.rows[0] == ["a", "80.0 ± 1.0", "-"]


def test_lists_of_relevant_clips():
    names = ("R@1", "R@5", "R@10", "mAP@10", "mAP@16")
    scores = english(eng_Latn=entry(1.0), fra_Latn=entry(1.0))
    scores["eng_Latn"]["multiple_positives"] = {
        "captions": 7,
        "clips_a_caption": 2.84,
        "t2a": dict.fromkeys(names, 33.33),
        "intervals": {"t2a": dict.fromkeys(names, [30.0, 40.0])},
    }
    rows = relevance_table(scores).rows
    assert rows == [["eng_Latn", "7", "2.8", *["33.3 [30.0, 40.0]"] * 5]]


def test_towers_stand_beside_what_rerankers_make_of_it():
    def figures(value):
        names = ("R@1", "R@10", "mAP@10", "mAP@16")
        ways = {way: dict.fromkeys(names, value) for way in ("t2a", "a2t")}
        bounds = {way: dict.fromkeys(names, [value - 5, value + 5]) for way in ("t2a", "a2t")}
        return {**ways, "intervals": bounds}

    gap = {way: dict.fromkeys(("R@1", "mAP@10"), [5.0, 1.0, 9.0]) for way in ("t2a", "a2t")}
    scores = english(eng_Latn={**entry(30.0), **figures(30.0)}, fra_Latn=entry(20.0))
    scores["eng_Latn"]["reranked"] = {
        "x, top 50": {**figures(35.0), "difference": gap},
        "x, full matrix": figures(20.0),
    }
    text_to_audio, audio_to_text = reranked_tables(scores)
    assert text_to_audio.headers == [
        "Text to audio, reranked", "by", "R@1", "R@10", "mAP@10", "difference R@1", "difference mAP@10",
    ]  # fmt: skip
    towers, best, full = text_to_audio.rows
    assert towers == ["eng_Latn", "two towers", *["30.0 [25.0, 35.0]"] * 3, "", ""]
    assert best == ["", "x, top 50", *["35.0 [30.0, 40.0]"] * 3, *["+5.0 [+1.0, +9.0] *"] * 2]
    assert full[-1] == ""
    assert audio_to_text.headers[0] == "Audio to text, reranked"
    assert reranked_tables(english(eng_Latn=entry(1.0))) == []
