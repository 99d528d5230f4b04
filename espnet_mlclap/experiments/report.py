"""Our figures next to printed ones: tables as Markdown, with pictures."""

import logging
from pathlib import Path
from typing import Container, Dict, List, Mapping, Optional, Sequence, Union

from espnet_mlclap.experiments.papers import ChosenPaper
from espnet_mlclap.experiments.plan import ExperimentList
from espnet_mlclap.experiments.printed import PrintedFigure, PrintedFigures, PrintedTable
from espnet_mlclap.experiments.results import (
    RunScores,
    read_runs,
    scored_languages,
    summarise,
)
from espnet_mlclap.utils.atomic import atomic_open
from espnet_mlclap.utils.tables import Table

_READING = """\
Per cent. Ours: mean over the seeds ± their standard deviation (with more than one seed), and in brackets
the 95 % bootstrap interval over the test clips (the mean of the seeds' bounds). T2A: a caption looks for
clips, A2T: a clip looks for captions. "-": not run, or not in the paper."""


def write_report(
    out: Union[str, Path],
    *,
    chosen: Sequence[ChosenPaper],
    listed: ExperimentList,
    expdir: Union[str, Path],
    inference_tag: str,
    seeds: Optional[Container[int]] = None,
    left_out: Container[str] = (),
) -> str:
    """Write tables and figures, paper by paper, as Markdown; pictures go into `figures` next to it.

    Args:
        out: the Markdown file.
        chosen: the papers, and which of their tables.
        listed: the recipe's experiments.
        expdir: folder of the experiments.
        inference_tag: folder of the results in each experiment.
        seeds: those to report; None for all that are found.
        left_out: tags of trainings that are not reported, since they failed.

    Returns:
        What was written.

    Raises:
        UserError: scores that cannot be read, or a folder that cannot be written to.
    """
    out = Path(out)
    lines: List[str] = []
    for paper in chosen:
        runs = {
            name: read_runs(
                expdir,
                name,
                inference_tag,
                test_sets=listed.test_sets,
                seeds=seeds,
                left_out=left_out,
            )
            for table in paper.tables
            for row in paper.printed.rows(table).values()
            for name in listed.of_row(row).values()
        }
        lines += _heading(paper.printed, listed, runs)
        for name in paper.tables:
            for test_set, corpus in listed.test_sets.items():
                here = {
                    row: runs.get(listed.of_row(row).get(corpus, ""), {})
                    for row in paper.printed.rows(name).values()
                }
                lines += _section(
                    paper.printed, name, here, test_set, corpus, listed.ours, out.parent
                )
    text = "\n".join(lines)
    with atomic_open(out) as file:
        file.write(text)
    return text


def _heading(
    printed: PrintedFigures, listed: ExperimentList, runs: Mapping[str, RunScores]
) -> List[str]:
    lines = [f"# {printed.title}", ""]
    if printed.source:
        lines += [f"Paper: {printed.source.strip()}", ""]
    if listed.note:
        lines += [f"> {line}".rstrip() for line in listed.note.strip().splitlines()] + [""]
    return [*lines, f"{_READING} {printed.note}".rstrip(), "", _run_line(runs), ""]


def _section(
    printed: PrintedFigures,
    name: str,
    runs: Mapping[str, RunScores],
    test_set: str,
    corpus: str,
    ours: str,
    folder: Path,
) -> List[str]:
    """A table or figure with its picture, which is saved in `folder`."""
    # Drawing needs a second to import; the plan of the experiments does not draw.
    from espnet_mlclap.experiments import figures
    from espnet_mlclap.reports.figures import save

    picture = f"figures/{'table' + name if name in printed.tables else name}_{test_set}.png"
    if name in printed.tables:
        table = printed.tables[name]
        title = table.title
        shown = printed_table(table, runs, test_set, corpus)
        figure = figures.table_figure(table, runs, test_set, corpus, title, ours)
    else:
        drawn = printed.figures[name]
        title = drawn.title
        shown = language_table(drawn, runs, test_set)
        figure = figures.experiments_by_language(drawn, runs, test_set, f"{title}, {test_set}")
    lines = [f"## {title} ({test_set})", "", shown.markdown(), ""]
    if name in printed.figures and [row[0] for row in shown.rows] == [printed.language]:
        lacking = (
            f"Other languages were not tested: all captions of {test_set} are in {printed.language} "
            "(`--test_translator` of run.sh translates them)."
        )
        logging.warning(f"{title}: {lacking}")
        lines += [lacking, ""]
    if figure is not None:
        save(figure, folder / picture)
        lines += [f"![{title}, {test_set}]({picture})", ""]
    return lines


def _run_line(runs: Mapping[str, RunScores]) -> str:
    by_seeds: Dict[str, List[str]] = {}
    for name, found in runs.items():
        by_seeds.setdefault(" ".join(map(str, found)), []).append(name)
    missing = by_seeds.pop("", [])
    parts = [f"seeds {seeds} ({', '.join(names)})" for seeds, names in by_seeds.items()]
    line = f"Trained: {'; '.join(parts) or 'nothing yet'}."
    return f"{line} Not run: {', '.join(missing)}." if missing else line


def printed_table(
    table: PrintedTable, runs: Mapping[str, RunScores], test_set: str, corpus: str
) -> Table:
    """Rows of a printed table, each column ours and then the paper's.

    Args:
        table: the table.
        runs: our scores by the table's names; the work of others has none.
        test_set: ours.
        corpus: the paper's test set that is shown next to it.
    """
    printed = {name: table.printed(name, corpus) for name in table.rows.values()}
    # a column of the paper's only where it prints something in it
    there = [
        any(column) for column in zip(*([x is not None for x in row] for row in printed.values()))
    ]
    headers = [""]
    for column, shown in zip(table.columns, there):
        headers += [column.title, "paper"] if shown else [column.title]
    rows = []
    for label, name in table.rows.items():
        cells = [label]
        for column, number, shown in zip(table.columns, printed[name], there):
            langs = column.languages(table.language)
            ours = summarise(runs.get(name, {}), test_set, langs, column.way, column.metric)
            cells.append("-" if ours is None else ours.text())
            if shown:
                cells.append("-" if number is None else f"{number:.1f}")
        rows.append(cells)
    return Table(headers, rows)


def language_table(figure: PrintedFigure, runs: Mapping[str, RunScores], test_set: str) -> Table:
    """Languages in rows, and below them groups of languages; the experiments side by side."""
    rows: Dict[str, Union[str, Sequence[str]]] = {
        lang: lang
        for lang in scored_languages(
            {name: runs.get(name, {}) for name in figure.rows.values()},
            test_set,
            {column.way for column in figure.columns},
        )
    }
    rows.update({f"mean of {name}": langs for name, langs in figure.groups.items()})
    headers = ["", *(f"{one.title}, {label}" for one in figure.columns for label in figure.rows)]
    lines = []
    for label, langs in rows.items():
        cells = [label]
        for column in figure.columns:
            for name in figure.rows.values():
                ours = summarise(runs.get(name, {}), test_set, langs, column.way, column.metric)
                cells.append("-" if ours is None else ours.text())
        if set(cells[1:]) != {"-"}:
            lines.append(cells)
    return Table(headers, lines)
