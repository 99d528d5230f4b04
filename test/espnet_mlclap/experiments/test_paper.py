"""The paper's numbers are those of the paper."""

import pytest

from espnet_mlclap.experiments.paper import read_paper
from espnet_mlclap.utils.errors import UserError


@pytest.fixture(scope="module")
def paper():
    return read_paper()


def test_every_row_stands_in_the_paper(paper, shared_dir):
    """A row of the paper's text: label, numbers of AudioCaps, numbers of Clotho, tabs between."""
    printed = (shared_dir / "seeds/ml-clap-paper.txt").read_text(encoding="utf-8")
    for table in paper.tables.values():
        for name in table.rows.values():
            numbers = table.results[name]["AudioCaps"] + table.results[name]["Clotho"]
            cells = ["-" if number is None else f"{number:.1f}" for number in numbers]
            assert "\t" + "\t".join(cells) in printed, name


def test_tables_have_the_papers_rows_and_columns(paper):
    assert [len(table.rows) for table in paper.tables.values()] == [2, 9, 19, 5]
    for table in paper.tables.values():
        for name in table.rows.values():
            for numbers in table.results[name].values():
                assert len(numbers) == len(table.columns)
    table = paper.tables["2"]
    column = table.columns.index(("t2a", "mAP@10"))
    assert table.results["cat"]["AudioCaps"][column] == 58.4
    assert paper.tables["4"].rows["10 %"] == table.rows["mixture"]


def test_tables_by_name(paper):
    assert paper.names("all") == ["1", "2", "3", "4", "figure2"]
    assert paper.names("figure2 2") == ["2", "figure2"]
    assert dict(paper.rows("figure2")) == {"baseline": "baseline", "proposed": "mixture"}
    for wanted in ("5", "", "1,2"):
        with pytest.raises(UserError, match="choose among 1 2 3 4 figure2"):
            paper.names(wanted)
