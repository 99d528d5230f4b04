"""Pictures of printed tables and figures with our numbers."""

from typing import Mapping, Optional

import matplotlib
import numpy as np

matplotlib.use("Agg")

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from espnet_mlclap.experiments.printed import PrintedTable
from espnet_mlclap.experiments.results import RunScores, mean_scores, summarise
from espnet_mlclap.reports.figures import COLOURS, STYLE, language_figure

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
        for index, (panel, (way, metric)) in enumerate(zip(panels, table.columns)):
            printed = [table.printed(name, corpus)[index] for name in names]
            if any(value is not None for value in printed):
                panel.plot(
                    [value for value in printed if value is not None],
                    [place for place, value in enumerate(printed) if value is not None],
                    "D", color=COLOURS[1], markersize=6, fillstyle="none", label=f"paper, {corpus}",
                )  # fmt: skip
            for place, name in enumerate(names):
                found = summarise(runs.get(name, {}), test_set, table.language, way, metric)
                if found is None:
                    continue
                if found.low is not None:
                    panel.plot(
                        [found.low, found.high], [place, place], color=COLOURS[0], linewidth=1.4
                    )
                panel.plot([found.mean], [place], "o", color=COLOURS[0], markersize=6, label=ours)
            panel.set_title(f"{way.upper()} {metric}")
            panel.set_xlabel("%")
        panels[0].set_yticks(range(len(names)), list(table.rows))
        panels[0].set_ylim(len(names) - 0.5, -0.5)
        handles, labels = panels[0].get_legend_handles_labels()
        once = dict(zip(labels, handles))
        figure.legend(list(once.values()), list(once), loc="outside lower center", ncols=2)
        figure.suptitle(f"{title}\n{test_set}", fontsize=13)
    return figure


def experiments_by_language(
    rows: Mapping[str, str], runs: Mapping[str, RunScores], test_set: str, title: str
) -> Optional[Figure]:
    """Bars by language, one colour per experiment, means over seeds.

    Returns:
        None where none of the experiments has been run.
    """
    drawn = {label: mean_scores(runs.get(name, {}), test_set) for label, name in rows.items()}
    drawn = {label: scores for label, scores in drawn.items() if scores}
    return language_figure(drawn, title) if drawn else None
