"""Files of printed figures: what they say, what is left out, mistakes."""

import pytest

from espnet_mlclap.experiments.printed import Column, read_printed_figures
from espnet_mlclap.utils.errors import UserError

PRINTED = """
title: Our trainings
source: A paper
language: eng_Latn
corpora: [AudioCaps, Clotho]
columns: {map: [a2t R@1, t2a mAP@10]}
results:
  map:
    baseline: {AudioCaps: [50.1, 40.7], Clotho: [20, null]}
tables:
  "2": {title: Two, columns: map, rows: {first: baseline, ours: mixture}}
  "1": {title: One, columns: map, rows: {first: baseline}}
figures:
  bars: {title: Languages, rows: {without: baseline}}
"""


@pytest.fixture
def path(tmp_path):
    (tmp_path / "printed.yaml").write_text(PRINTED)
    return tmp_path / "printed.yaml"


def test_numbers_stand_under_their_columns(path):
    table = read_printed_figures(path).tables["2"]
    assert table.columns == (Column("a2t", "R@1"), Column("t2a", "mAP@10"))
    assert table.columns[1].title == "T2A mAP@10"
    assert table.printed("baseline", "AudioCaps") == (50.1, 40.7)
    assert table.printed("baseline", "Clotho") == (20, None)
    assert table.printed("mixture", "AudioCaps") == (None, None)  # the paper has no such row


def test_tables_by_name_in_the_order_of_the_file(path):
    printed = read_printed_figures(path)
    assert printed.names == ["2", "1", "bars"]
    assert dict(printed.rows("bars")) == {"without": "baseline"}


def test_a_table_may_be_of_the_mean_of_languages_or_count_all_clips_that_fit(path):
    text = PRINTED.replace("One, columns: map", "One, language: mean, columns: map")
    path.write_text(text.replace("t2a mAP@10", "t2a mAP@16"))
    tables = read_printed_figures(path).tables
    assert [tables[name].language for name in "12"] == ["mean", "eng_Latn"]
    assert tables["1"].columns[1] == Column("t2a", "mAP@16")


def test_columns_of_what_was_reranked(path):
    columns = '"all:t2a R@1", "top50:fits mAP@16"'
    path.write_text(PRINTED.replace("a2t R@1, t2a mAP@10", columns))
    first, second = read_printed_figures(path).tables["1"].columns
    assert (first.title, second.title) == ("T2A R@1, full matrix", "mAP@16, top 50")
    path.write_text(PRINTED.replace("a2t R@1", "some:t2a R@1"))
    with pytest.raises(UserError, match="all: or topN: stands before what a reranker scored"):
        read_printed_figures(path)


def test_columns_of_languages_and_groups(path):
    groups = "groups: {others: [fra_Latn, deu_Latn]}\ncolumns: {acc: [zero_shot accuracy], map: "
    text = PRINTED.replace("columns: {map: ", groups).replace("source: A paper\n", "")
    text = text.replace("t2a mAP@10", "zero_shot accuracy others")
    text = text.replace("a2t R@1", "a2t R@1 jpn_Jpan")
    path.write_text(text.replace("title: Languages, ", "title: Languages, columns: acc, "))
    printed = read_printed_figures(path)
    japanese, others = printed.tables["1"].columns
    assert (japanese.title, others.title) == ("A2T R@1, jpn_Jpan", "accuracy, others")
    assert japanese.languages("eng_Latn") == "jpn_Jpan"
    assert others.languages("eng_Latn") == ("fra_Latn", "deu_Latn")
    assert Column("t2a", "R@1").languages("eng_Latn") == "eng_Latn"
    assert printed.source == ""
    assert printed.figures["bars"].columns == (Column("zero_shot", "accuracy"),)
    assert printed.figures["bars"].groups == {"others": ("fra_Latn", "deu_Latn")}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("source:", "sauce:", "unknown key 'sauce'. Did you mean source"),
        ("title: Our trainings\n", "", "the key 'title' is missing"),
        ("t2a mAP@10", "t2a mAP@12", "'t2a mAP@12' must be a direction"),
        ("t2a mAP@10", "t2a mAP@10 all", "'t2a mAP@10 all': unknown language"),
        (
            "title: Languages,",
            "title: Languages, columns: x,",
            "figures: bars: columns: unknown key",
        ),
        ("a2t R@1", "R@1", "'R@1' must be a direction"),
        ("[50.1, 40.7]", "[50.1]", "baseline: AudioCaps: must hold a number .* 2 columns, not 1"),
        ("One, columns: map", "One, columns: recall", "tables: 1: columns: unknown key 'recall'"),
        ("title: One, ", "", "tables: 1: the key 'title' is missing"),
        ("language: eng_Latn", "language: eng_latn", "language: unknown language .*eng_Latn"),
        ("title: One,", "title: One, language: fr,", "tables: 1: language: unknown language"),
        ("  map:\n", "  mop:\n", "results: unknown key 'mop'. Did you mean map"),
        (
            "    baseline:",
            "    basline:",
            "results: map, rows of its tables: unknown key 'basline'",
        ),
        (
            "Clotho: [",
            "Cloto: [",
            "results: map: baseline: unknown key 'Cloto'. Did you mean Clotho",
        ),
        ("[50.1, 40.7]", "50.1", "baseline: AudioCaps: must hold a number .* not 50.1"),
    ],
)
def test_mistakes_are_named(path, old, new, message):
    path.write_text(PRINTED.replace(old, new))
    with pytest.raises(UserError, match=message):
        read_printed_figures(path)
