"""RESULTS.md of an experiment: what was trained, how it scores, figures."""

import importlib.metadata
import platform
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Sequence, Union

from espnet_mlclap.evaluation.embeddings import read_embeddings
from espnet_mlclap.evaluation.paired import find_results
from espnet_mlclap.evaluation.scores import AllScores, read_scores
from espnet_mlclap.evaluation.zero_shot import read_zero_shot_scores
from espnet_mlclap.reports.history import read_facts, read_history
from espnet_mlclap.reports.tables import criterion_line, score_tables
from espnet_mlclap.reports.zero_shot import zero_shot_table
from espnet_mlclap.utils.atomic import atomic_open
from espnet_mlclap.utils.tables import Table

_PACKAGES = ("espnet", "torch", "fairseq2", "sonar-space", "numpy")
_READING = """\
Figures are in per cent; medR and meanR are ranks from 1. In brackets: 95 % bootstrap intervals over the clips
(they say how figures move with other test clips, not with another training seed). Chance is a random
order. Ties count with their expected value. A clip counts as found in audio-to-text R@k when the best
of its captions is among the first k; mAP@10 divides by all of its captions."""
_CONSISTENCY = """\
MRV is the mean rank variance: how much the rank that a caption gives its clip varies from language to
language (ranks squared, over the captions that are there in all of them); best - worst is the difference of
R@1 between the best language and the worst, in per cent points. Both are 0 for a model that is equally good
in all languages, and above 0 by chance alone."""
_DIFFERENCES = """\
Differences to another experiment are in per cent points, with 95 % intervals of paired bootstrap samples:
the same clips are drawn for both. A star stands where the interval does not hold 0."""


def write_report(
    out: Union[str, Path],
    *,
    experiment_dir: Union[str, Path],
    inference_dir: Union[str, Path],
    baseline_dir: Optional[Union[str, Path]] = None,
    note: str = "",
    title: str = "",
) -> None:
    """Write RESULTS.md and, in the folder `figures` next to it, the figures.

    Args:
        out: the Markdown file.
        experiment_dir: with config.yaml and history.jsonl, as far as there are any.
        inference_dir: with scores.json and the sets' embeddings.
        baseline_dir: another experiment's folder, or its inference folder, drawn next to this one.
        note: what a reader must know first, such as that the corpus is synthetic.
        title: heading; the experiment's name if empty.

    Raises:
        UserError: scores, embeddings or history that cannot be read.
    """
    # Drawing needs a second to import; the other commands that use tables do not draw.
    from espnet_mlclap.reports import figures

    out, inference_dir = Path(out), Path(inference_dir)
    name = Path(experiment_dir).resolve().name
    scores = read_scores(inference_dir)
    history = read_history(experiment_dir)
    drawn = {name: scores}
    if baseline_dir is not None:
        results = find_results(baseline_dir)
        drawn = {results.resolve().parent.name: read_scores(results), **drawn}
    pictures = out.parent / "figures"
    lines = [f"# {title or name}", ""]
    if note:
        lines += [f"> {line}".rstrip() for line in note.splitlines()] + [""]
    lines += _training(experiment_dir, history)
    if history:
        figures.save(figures.training_figure(history, "Training"), pictures / "training.png")
        lines += ["![Training curve](figures/training.png)", ""]
    for test_set, tables in score_tables(scores).items():
        lines += [f"## {test_set}", ""]
        for table in tables:
            lines += [table.markdown(), ""]
        lines += [criterion_line(scores[test_set]), ""]
        zero_shot = inference_dir / test_set / "zero_shot.json"
        if zero_shot.exists():
            table = zero_shot_table(read_zero_shot_scores(zero_shot), scores[test_set].source_lang)
            lines += [table.markdown(), ""]
        lines += _draw_set(figures, test_set, drawn, inference_dir, pictures)
    lines += ["## How to read this", "", _READING, ""]
    if any(one.consistency for one in scores.values()):
        lines += [_CONSISTENCY, ""]
    if baseline_dir is not None:
        lines += [_DIFFERENCES, ""]
    lines += ["## Environment", ""]
    lines += _environment(inference_dir)
    with atomic_open(out) as file:
        file.write("\n".join(lines) + "\n")


def _training(experiment_dir: Union[str, Path], history: Sequence[Mapping[str, Any]]) -> List[str]:
    facts = read_facts(experiment_dir)
    if history:
        best = max(history, key=lambda entry: entry["valid"].get("mAP@10", float("-inf")))
        facts["epochs trained"] = str(len(history))
        if "mAP@10" in best["valid"]:
            facts["best epoch"] = f"{best['epoch']} (valid mAP@10 {best['valid']['mAP@10']:.2f} %)"
        seconds = sum(entry.get("seconds", 0.0) for entry in history)
        if seconds:
            facts["training time"] = f"{seconds:.0f} s, validation included"
    if not facts:
        return []
    rows = [[f"`{key}`" if "_" in key else key, value] for key, value in facts.items()]
    return ["## Training", "", Table(["", "value"], rows, text_columns=2).markdown(), ""]


def _draw_set(
    figures: Any, test_set: str, drawn: Mapping[str, AllScores], inference_dir: Path, folder: Path
) -> List[str]:
    here = {label: scores[test_set] for label, scores in drawn.items() if test_set in scores}
    figures.save(
        figures.language_figure(here, f"{test_set}: retrieval by language"),
        folder / f"languages_{test_set}.png",
    )
    lines = [f"![Retrieval by language](figures/languages_{test_set}.png)", ""]
    if (inference_dir / test_set).is_dir():
        own = list(here.values())[-1]
        lang = next(iter(own))
        figure = figures.similarity_figure(
            read_embeddings(inference_dir / test_set), lang, f"{test_set}: a sample"
        )
        figures.save(figure, folder / f"similarity_{test_set}.png")
        lines += [f"![Similarity of a sample](figures/similarity_{test_set}.png)", ""]
    return lines


def _environment(inference_dir: Path) -> List[str]:
    versions: Dict[str, str] = {"Python": platform.python_version()}
    for package in _PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    listed = ", ".join(f"{name} {version}" for name, version in versions.items())
    return [f"{listed}. Machine-readable scores: `{inference_dir.name}/scores.json`."]
