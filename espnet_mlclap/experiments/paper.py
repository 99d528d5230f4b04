"""The numbers and the tables of the ML-CLAP paper, from paper.yaml."""

from dataclasses import dataclass
from pathlib import Path
from typing import Dict, List, Mapping, Optional, Tuple

from espnet_mlclap.utils.config import read_yaml
from espnet_mlclap.utils.errors import UserError

FILE = Path(__file__).with_name("paper.yaml")


@dataclass(frozen=True)
class PaperTable:
    """A table of the paper.

    Attributes:
        title: what it shows.
        columns: direction ("a2t" or "t2a") and metric of each column.
        rows: label of each row and the name of the experiment, or of the work of others.
        results: name -> corpus -> a number a column in per cent, None where the paper has none.
    """

    title: str
    columns: Tuple[Tuple[str, str], ...]
    rows: Mapping[str, str]
    results: Mapping[str, Mapping[str, Tuple[Optional[float], ...]]]


@dataclass(frozen=True)
class PaperFigure:
    """A figure of the paper: its title, and the experiments by label."""

    title: str
    rows: Mapping[str, str]


@dataclass(frozen=True)
class Paper:
    """All of it; tables and figures by the words that `--tables` takes."""

    source: str
    tables: Dict[str, PaperTable]
    figures: Dict[str, PaperFigure]

    def names(self, wanted: str) -> List[str]:
        """The tables and figures that `wanted` names, in the order of the paper.

        Args:
            wanted: such as "2 4 figure2", or "all".

        Raises:
            UserError: the paper has no such table.
        """
        known = [*self.tables, *self.figures]
        chosen = known if wanted == "all" else wanted.split()
        unknown = [name for name in chosen if name not in known]
        if unknown or not chosen:
            raise UserError(
                f"--tables {wanted!r}: choose among {' '.join(known)}, with blanks between, or all."
            )
        return [name for name in known if name in chosen]

    def rows(self, name: str) -> Mapping[str, str]:
        """Label and experiment of each row of a table or figure."""
        return (self.tables.get(name) or self.figures[name]).rows


def read_paper() -> Paper:
    """Read paper.yaml."""
    content = read_yaml(FILE)
    tables = {}
    for name, table in content["tables"].items():
        columns = tuple(tuple(column.split()) for column in content["columns"][table["columns"]])
        results = {
            row: {corpus: tuple(numbers) for corpus, numbers in by_corpus.items()}
            for row, by_corpus in content["results"][table["columns"]].items()
        }
        tables[name] = PaperTable(table["title"], columns, dict(table["rows"]), results)
    figures = {
        name: PaperFigure(figure["title"], dict(figure["rows"]))
        for name, figure in content["figures"].items()
    }
    return Paper(content["source"], tables, figures)
