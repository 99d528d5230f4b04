"""The papers of a list of experiments, and those of their tables that are asked for."""

from typing import List, Mapping, NamedTuple, Optional

from espnet_mlclap.experiments.printed import PrintedFigures, read_printed_figures
from espnet_mlclap.utils.errors import UserError


class ChosenPaper(NamedTuple):
    """What a paper prints, and the names of its tables and figures that are asked for."""

    printed: PrintedFigures
    tables: List[str]


def choose_papers(
    files: Mapping[str, str], papers: Optional[str] = None, tables: str = "all"
) -> List[ChosenPaper]:
    """Read papers and choose among their tables and figures.

    Args:
        files: of the papers by name, the recipe's own paper first (`ExperimentList.papers`).
        papers: names separated by spaces, or "all"; None: the first one, or where `tables` names some, all
            that have them.
        tables: such as "2 4 figure2", or "all".

    Returns:
        The papers of which there is something to show, in the order of `files`.

    Raises:
        UserError: a paper or a table that is not there, or tables of two papers with one name.
    """
    if papers is None:
        papers = next(iter(files)) if tables == "all" else "all"
    words = list(files) if papers == "all" else papers.split()
    for word in words:
        if word not in files:
            raise UserError(
                f"--papers {papers!r}: choose among {' '.join(files)}, separated by spaces, or all."
            )
    read = {name: read_printed_figures(path) for name, path in files.items() if name in words}
    owner = {}
    for name, printed in read.items():
        for table in printed.names:
            if owner.setdefault(table, name) != name:
                raise UserError(
                    f"{files[name]}: the name {table!r} is also that of a table of {files[owner[table]]}. "
                    "Rename one."
                )
    wanted = list(owner) if tables == "all" else tables.split()
    if not wanted or any(table not in owner for table in wanted):
        raise UserError(
            f"--tables {tables!r}: choose among {' '.join(owner)}, separated by spaces, or all."
        )
    chosen = [
        ChosenPaper(printed, [table for table in printed.names if table in wanted])
        for printed in read.values()
    ]
    return [paper for paper in chosen if paper.tables]
