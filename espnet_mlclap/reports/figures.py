"""Figures of a report: retrieval by language, the training curve, similarities of a sample.

Languages are labelled by their codes, so no font with Chinese or Japanese letters is needed. Colours are
those of Okabe and Ito, distinguishable with every kind of colour vision.
"""

from pathlib import Path
from typing import Any, Dict, List, Mapping, Sequence, Union

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from espnet_mlclap.evaluation.embeddings import EmbeddingSet
from espnet_mlclap.evaluation.ranks import unit_rows
from espnet_mlclap.evaluation.scores import DIRECTIONS, SetScores
from espnet_mlclap.utils.atomic import atomic_open

COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00")
_GREY = "#666666"
STYLE = {
    "font.size": 11,
    "axes.titlesize": 12,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.8,
    "legend.frameon": False,
    "figure.constrained_layout.use": True,
}


def save(figure: Figure, path: Union[str, Path]) -> None:
    """Write a figure as PNG, atomically, and close it."""
    with atomic_open(path, "wb") as file:
        figure.savefig(file, format="png", dpi=150)
    plt.close(figure)


def language_figure(
    experiments: Mapping[str, SetScores], title: str, metric: str = "mAP@10"
) -> Figure:
    """Bars by language in both directions, as in Figure 2 of the ML-CLAP paper.

    Args:
        experiments: scores of one test set by label: one experiment, or several side by side.
        title: of the figure.
        metric: which one, in per cent.

    Returns:
        A figure with one panel per direction; whiskers are 95 % intervals, the dotted line is chance.
    """
    langs = list(dict.fromkeys(lang for scores in experiments.values() for lang in scores))
    width = 0.8 / len(experiments)
    with plt.rc_context(STYLE):
        figure, panels = plt.subplots(
            1, 2, figsize=(max(7.0, 2.2 + 1.1 * len(langs)), 3.8), sharey=True
        )
        for panel, (way, name) in zip(panels, DIRECTIONS.items()):
            for index, (label, scores) in enumerate(experiments.items()):
                offset = (index - (len(experiments) - 1) / 2) * width
                places = [place for place, lang in enumerate(langs) if lang in scores]
                entries = [scores[langs[place]] for place in places]
                values = np.array([entry[way][metric] for entry in entries])
                panel.bar(
                    np.array(places) + offset, values, width * 0.92, color=COLOURS[index % len(COLOURS)],
                    label=label,
                )  # fmt: skip
                bounds = [
                    entry.get("intervals", {}).get(way, {}).get(metric, (value, value))
                    for entry, value in zip(entries, values)
                ]
                low, high = np.array(bounds).T
                whiskers = np.maximum([values - low, high - values], 0.0)
                panel.errorbar(
                    np.array(places) + offset, values, whiskers, fmt="none", ecolor="#333333",
                    elinewidth=0.9, capsize=2,
                )  # fmt: skip
            _draw_chance(panel, list(experiments.values()), way, metric)
            panel.set_title(name)
            panel.set_xticks(
                range(len(langs)), langs, rotation=45, ha="right", rotation_mode="anchor"
            )
            panel.tick_params(axis="x", length=0)
            panel.set_xlabel("Language of the captions")
        panels[0].set_ylabel(f"{metric} (%)")
        panels[0].set_ylim(bottom=0)
        figure.suptitle(title, fontsize=13)
        handles, labels = panels[0].get_legend_handles_labels()
        if len(labels) > 1:
            order = sorted(range(len(labels)), key=lambda index: labels[index] == "chance")
            figure.legend(
                [handles[index] for index in order], [labels[index] for index in order],
                loc="outside lower center", ncols=min(4, len(labels)),
            )  # fmt: skip
    return figure


def _draw_chance(panel: Any, experiments: Sequence[SetScores], way: str, metric: str) -> None:
    levels = [
        entry["chance"][way][metric]
        for scores in experiments
        for entry in scores.values()
        if "chance" in entry
    ]
    if levels:
        panel.axhline(
            float(np.mean(levels)), color=_GREY, linestyle=":", linewidth=1.4, label="chance"
        )


def training_figure(history: Sequence[Mapping[str, Any]], title: str) -> Figure:
    """Training loss and validation mAP@10 by epoch, the best epoch marked.

    Args:
        history: epochs from `history.read_history`.
        title: of the figure.
    """
    epochs = [entry["epoch"] for entry in history]
    with plt.rc_context(STYLE):
        figure, (left, right) = plt.subplots(1, 2, figsize=(9.0, 3.5))
        losses = {"train": "training", "valid": "validation"}
        for index, (phase, label) in enumerate(losses.items()):
            values = [entry[phase].get("loss") for entry in history]
            if any(value is not None for value in values):
                _curve(left, epochs, values, COLOURS[index], label)
        left.set_ylabel("InfoNCE loss")
        left.set_title("Loss")
        curves = {"t2a_mAP@10": "text to audio", "a2t_mAP@10": "audio to text", "mAP@10": "mean"}
        for index, (key, label) in enumerate(curves.items()):
            values = [entry["valid"].get(key) for entry in history]
            if any(value is not None for value in values):
                _curve(right, epochs, values, COLOURS[index], label)
        means = [entry["valid"].get("mAP@10", -1.0) for entry in history]
        best = int(np.argmax(means))
        if means[best] >= 0.0:
            right.axvline(
                epochs[best], color=_GREY, linestyle=":", linewidth=1.4, zorder=0,
                label=f"best mean: epoch {epochs[best]}",
            )  # fmt: skip
        right.set_ylabel("mAP@10 (%)")
        right.set_title("Validation, mean over languages")
        right.set_ylim(bottom=0)
        for panel in (left, right):
            panel.set_xlabel("Epoch")
            panel.xaxis.set_major_locator(MaxNLocator(integer=True))
            if len(panel.get_lines()) > 1:
                panel.legend()
        figure.suptitle(title, fontsize=13)
    return figure


def _curve(panel: Any, epochs: List[int], values: List[Any], colour: str, label: str) -> None:
    points = [(epoch, value) for epoch, value in zip(epochs, values) if value is not None]
    panel.plot(*zip(*points), marker="o", markersize=4, linewidth=1.8, color=colour, label=label)


def similarity_figure(
    embeddings: EmbeddingSet, lang: str, title: str, clips: int = 30, seed: int = 0
) -> Figure:
    """Cosine similarity of a sample of clips with one caption each: a good model shows a diagonal.

    Args:
        embeddings: a test set.
        lang: language of the captions.
        title: of the figure.
        clips: size of the sample.
        seed: of the sample.
    """
    caption_of_clip: Dict[int, int] = {}
    for row in embeddings.rows_of_language(lang):
        caption_of_clip.setdefault(int(embeddings.caption_to_clip[row]), int(row))
    rows = np.array(sorted(caption_of_clip))
    if len(rows) > clips:
        rows = np.sort(np.random.default_rng(seed).choice(rows, clips, replace=False))
    audio = unit_rows(embeddings.audio[rows])
    text = unit_rows(embeddings.text[[caption_of_clip[row] for row in rows]])
    similarity = text @ audio.T
    count = len(rows)
    with plt.rc_context({**STYLE, "axes.grid": False}):
        figure, panel = plt.subplots(figsize=(6.0, 5.0))
        edges = (0.5, count + 0.5, count + 0.5, 0.5)  # clips are counted from 1
        image = panel.imshow(similarity, cmap="cividis", aspect="equal", extent=edges)
        figure.colorbar(image, ax=panel, label="Cosine similarity", shrink=0.9)
        panel.set_xlabel("Clip")
        panel.set_ylabel(f"Caption of the clip ({lang})")
        for axis in (panel.xaxis, panel.yaxis):
            axis.set_ticks([1, *range(5, count + 1, 5)])
        panel.set_title(title)
    return figure
