"""Pictures of printed tables and figures with our numbers."""

from typing import Mapping, Optional

import matplotlib
import numpy as np

matplotlib.use("Agg")

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from espnet_mlclap.experiments.printed import PrintedFigure, PrintedTable
from espnet_mlclap.experiments.results import RunScores, scored_languages, summarise
from espnet_mlclap.reports.figures import COLOURS, STYLE

_ROW_HEIGHT = 0.32  # inches


def table_figure(
    table: PrintedTable,
    runs: Mapping[str, RunScores],
    test_set: str,
    corpus: str,
    title: str,
    ours: str,
) -> Optional[Figure]:
    """A panel per column, a line per row: ours as dots with their 95 % intervals, the paper's as diamonds.

    Args:
        table: the table.
        runs: our scores by the table's names.
        test_set: ours.
        corpus: the paper's test set next to it.
        title: of the figure.
        ours: what our numbers are called.

    Returns:
        None where none of the table's experiments has been run.
    """
    names = list(table.rows.values())
    if not any(test_set in scores for name in names for scores in runs.get(name, {}).values()):
        return None
    columns = len(table.columns)
    size = (1.6 + 2.1 * columns, 1.5 + _ROW_HEIGHT * len(names))
    with plt.rc_context({**STYLE, "axes.grid.axis": "both"}):
        figure, panels = plt.subplots(1, columns, figsize=size, sharey=True)
        panels = np.atleast_1d(panels)
        for index, (panel, column) in enumerate(zip(panels, table.columns)):
            langs = column.languages(table.language)
            printed = [table.printed(name, corpus)[index] for name in names]
            if any(value is not None for value in printed):
                panel.plot(
                    [value for value in printed if value is not None],
                    [place for place, value in enumerate(printed) if value is not None],
                    "D", color=COLOURS[1], markersize=6, fillstyle="none", label=f"paper, {corpus}",
                )  # fmt: skip
            for place, name in enumerate(names):
                found = summarise(runs.get(name, {}), test_set, langs, column.way, column.metric)
                if found is None:
                    continue
                if found.low is not None:
                    panel.plot(
                        [found.low, found.high], [place, place], color=COLOURS[0], linewidth=1.4
                    )
                panel.plot([found.mean], [place], "o", color=COLOURS[0], markersize=6, label=ours)
            panel.set_title(column.title)
            panel.set_xlabel("%")
        panels[0].set_yticks(range(len(names)), list(table.rows))
        panels[0].set_ylim(len(names) - 0.5, -0.5)
        handles, labels = panels[0].get_legend_handles_labels()
        once = dict(zip(labels, handles))
        figure.legend(list(once.values()), list(once), loc="outside lower center", ncols=2)
        figure.suptitle(f"{title}\n{test_set}", fontsize=13)
    return figure


def experiments_by_language(
    figure: PrintedFigure, runs: Mapping[str, RunScores], test_set: str, title: str
) -> Optional[Figure]:
    """Bars by language, one colour per experiment and one panel per column, means over seeds with intervals.

    Returns:
        None where none of the experiments has been run.
    """
    found = {label: runs.get(name, {}) for label, name in figure.rows.items()}
    langs = scored_languages(found, test_set, {column.way for column in figure.columns})
    if not langs:
        return None
    width = 0.8 / len(found)
    panels_size = (max(5.0, 1.6 + 0.5 * len(langs)) * len(figure.columns), 3.8)
    with plt.rc_context(STYLE):
        drawn, panels = plt.subplots(1, len(figure.columns), figsize=panels_size, sharey=True)
        panels = np.atleast_1d(panels)
        for panel, column in zip(panels, figure.columns):
            for index, (label, scores) in enumerate(found.items()):
                bars = {
                    place + (index - (len(found) - 1) / 2) * width: one
                    for place, lang in enumerate(langs)
                    if (one := summarise(scores, test_set, lang, column.way, column.metric))
                }
                panel.bar(
                    list(bars), [one.mean for one in bars.values()], width * 0.92,
                    color=COLOURS[index % len(COLOURS)], label=label,
                )  # fmt: skip
                for place, one in bars.items():
                    if one.low is not None:
                        panel.plot(
                            [place, place], [one.low, one.high], color="#333333", linewidth=0.9
                        )
            panel.set_title(column.title)
            panel.set_xticks(
                range(len(langs)), langs, rotation=45, ha="right", rotation_mode="anchor"
            )
            panel.tick_params(axis="x", length=0)
        panels[0].set_ylabel("%")
        panels[0].set_ylim(bottom=0)
        handles, labels = panels[0].get_legend_handles_labels()
        drawn.legend(handles, labels, loc="outside lower center", ncols=min(4, len(labels)))
        drawn.suptitle(title, fontsize=13)
    return drawn
