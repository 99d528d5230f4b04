"""Tables as text and as Markdown, to the letter."""

from espnet_mlclap.utils.tables import Table

TABLE = Table(["name", "value"], [["a|b", "1.0"], ["c", "10.50 [1, 2]"]])


def test_columns_of_text_stand_left_and_numbers_right():
    assert TABLE.text().splitlines() == [
        "name           value",
        "a|b              1.0",
        "c       10.50 [1, 2]",
    ]


def test_markdown():
    assert TABLE.markdown().splitlines() == [
        "| name   |        value |",
        "|:-------|-------------:|",
        "| a\\|b   |          1.0 |",
        "| c      | 10.50 [1, 2] |",
    ]
    both_text = TABLE._replace(text_columns=2).markdown().splitlines()
    assert both_text[1:3] == ["|:-------|:-------------|", "| a\\|b   | 1.0          |"]


def test_without_rows():
    assert TABLE._replace(rows=[]).markdown().splitlines()[0] == "| name   | value   |"
