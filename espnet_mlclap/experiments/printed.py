"""The tables that a list of experiments fills, with the figures that a paper prints in them.

They are in a YAML file of a recipe, one per paper, which the key `papers` of its list of experiments names:

    title: The experiments of the paper      # heading of our report
    source: Somebody et al., "A Paper", 2024 # left out where the tables are our own
    language: eng_Latn                       # of the captions in the tables
    note: ...                                # what the reader must know about the figures; may be left out
    corpora: [AudioCaps, Clotho]             # in `results`; without it, whatever stands there
    groups: {others: [fra_Latn, deu_Latn]}   # of languages, by a name of your choice; may be left out
    columns: {map: [t2a R@1, t2a mAP@10 others]}  # direction, metric, language or group, by a name of yours
    results:                                 # by columns, row and corpus; null where nothing is printed
      map: {baseline: {AudioCaps: [40.7, 55.8]}, Somebody: {AudioCaps: [41.0, null]}}
    tables:                                  # rows: label -> name in `results` and in the list of experiments
      "1": {title: "Table 1: Encoders", columns: map, rows: {ours: baseline, theirs: Somebody}}
      "2": {title: "Table 2", columns: map, rows: {ours: baseline}, language: mean}    # of all languages
    figures:                                 # experiments side by side, by language; nothing is printed
      figure2: {title: "Figure 2: Languages", rows: {ours: baseline}}    # columns: R@1 and mAP@10, or others

A row without results is one that the paper does not have. The columns `t2a mAP@16`, `fits R@1`, `fits mAP@10`
... count all clips that a caption fits, by the lists of `--relevant_clips`; `zero_shot accuracy` is that of
classification; `languages MRV`, `languages spread_t2a` and `languages spread_a2t` tell how much languages
differ. `all:t2a R@1` and `top50:fits mAP@16` are those of a reranker that scored all pairs, or the first 50
of each query. A column without a language is of the table's.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Tuple, Union

from espnet_mlclap.evaluation.scores import DIRECTIONS, METRICS
from espnet_mlclap.experiments.results import (
    FITTING,
    LANGUAGES,
    MEAN_LANGUAGE,
    MULTIPLE_POSITIVES,
    RERANKED_ALL,
    RERANKED_TOP,
    ZERO_SHOT,
    reranked_title,
)
from espnet_mlclap.utils.config import check_keys, check_mapping, read_config
from espnet_mlclap.utils.errors import UserError
from espnet_mlclap.utils.languages import check_language

_KEYS = (
    *("title", "source", "language", "note", "corpora", "groups", "columns", "results", "tables"),
    "figures",
)

_FITTING_METRICS = (*METRICS, MULTIPLE_POSITIVES[1])
_OVER_LANGUAGES = {
    "MRV": "MRV",
    "spread_t2a": "T2A R@1, best - worst",
    "spread_a2t": "A2T R@1, best - worst",
}
_SPECIAL = (
    MULTIPLE_POSITIVES,
    ZERO_SHOT,
    *((FITTING, metric) for metric in _FITTING_METRICS),
    *((LANGUAGES, metric) for metric in _OVER_LANGUAGES),
)
_RERANKED = re.compile(rf"{RERANKED_ALL}|{RERANKED_TOP}\d+")


class Column(NamedTuple):
    """A column of a table.

    Attributes:
        way: "t2a", "a2t", "fits" or "zero_shot", after "all:" or "top50:" where it is reranked.
        metric: such as "R@1".
        lang: its language, or None for that of the table.
        langs: instead, the languages of a group that is called `lang`.
    """

    way: str
    metric: str
    lang: Optional[str] = None
    langs: Tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """Such as "T2A R@1", "mAP@10" (of all that fits) or "accuracy, eng_Latn"."""
        if self.way == LANGUAGES:
            return _OVER_LANGUAGES[self.metric]
        reranked, _, way = self.way.rpartition(":")
        name = f"{way.upper()} {self.metric}" if way in DIRECTIONS else self.metric
        if reranked:
            name = f"{name}, {reranked_title(reranked)}"
        return name if self.lang is None else f"{name}, {self.lang}"

    def languages(self, default: str) -> Union[str, Tuple[str, ...]]:
        """What is averaged; `default` is the table's language."""
        return self.langs or self.lang or default


#: Columns of a figure that does not name any.
_FIGURE_COLUMNS = tuple(Column(way, metric) for way in DIRECTIONS for metric in ("R@1", "mAP@10"))


@dataclass(frozen=True)
class PrintedTable:
    """A table of the paper.

    Attributes:
        title: what it shows.
        language: of the captions, or `MEAN_LANGUAGE`.
        columns: what stands in each column.
        rows: label of each row and the name of the experiment, or of the work of others.
        results: name -> corpus -> a number per column in per cent, None where the paper has none.
    """

    title: str
    language: str
    columns: Tuple[Column, ...]
    rows: Mapping[str, str]
    results: Mapping[str, Mapping[str, Tuple[Optional[float], ...]]]

    def printed(self, name: str, corpus: str) -> Tuple[Optional[float], ...]:
        """What the paper prints in a row: a number per column, None where it has none."""
        return self.results.get(name, {}).get(corpus, (None,) * len(self.columns))


@dataclass(frozen=True)
class PrintedFigure:
    """A figure of the paper, with languages in its rows: its title, and the experiments by label.

    Attributes:
        columns: what is shown of each experiment.
        groups: of languages by name, whose means stand below.
    """

    title: str
    rows: Mapping[str, str]
    columns: Tuple[Column, ...] = _FIGURE_COLUMNS
    groups: Mapping[str, Tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class PrintedFigures:
    """All of it; tables and figures by the words that `--tables` takes.

    Attributes:
        title: heading of a report that sets ours next to them.
        source: the paper; empty where the tables are our own.
        language: of the captions in the tables.
        note: what the reader must know about the printed figures.
    """

    title: str
    source: str
    language: str
    note: str
    tables: Dict[str, PrintedTable]
    figures: Dict[str, PrintedFigure]

    @property
    def names(self) -> List[str]:
        """The tables and figures, in the order of the file."""
        return [*self.tables, *self.figures]

    def rows(self, name: str) -> Mapping[str, str]:
        """Label and experiment of each row of a table or figure."""
        return (self.tables.get(name) or self.figures[name]).rows


def read_printed_figures(path: Union[str, Path]) -> PrintedFigures:
    """Read the file.

    Raises:
        UserError: it cannot be read, has an unknown key or lacks one, an unknown language, a column that is
            not a direction and metric, results of columns, rows or corpora that are not there, or a row with
            more or fewer numbers than columns.
    """
    content = read_config(path)
    check_keys(content, _KEYS, path, required=("title", "language", "tables"))
    _check_table_language(content["language"], f"{path}: language")
    groups = {
        name: tuple(check_language(lang, f"{path}: groups: {name}") for lang in langs)
        for name, langs in content.get("groups", {}).items()
    }
    columns = {
        name: tuple(_column(column, groups, f"{path}: columns: {name}") for column in listed)
        for name, listed in content.get("columns", {}).items()
    }
    results = _read_results(content, columns, f"{path}: results")
    rows_of: Dict[str, List[str]] = {}  # by columns
    tables = {}
    for name, table in content["tables"].items():
        where = f"{path}: tables: {name}"
        keys = ("title", "columns", "rows")
        check_keys(check_mapping(table, where), (*keys, "language"), where, required=keys)
        check_keys({table["columns"]: None}, columns, f"{where}: columns")
        if "language" in table:
            _check_table_language(table["language"], f"{where}: language")
        rows_of.setdefault(table["columns"], []).extend(
            check_mapping(table["rows"], f"{where}: rows").values()
        )
        tables[str(name)] = PrintedTable(
            table["title"],
            table.get("language", content["language"]),
            columns[table["columns"]],
            dict(table["rows"]),
            results.get(table["columns"], {}),
        )
    for name, by_row in results.items():
        check_keys(by_row, rows_of.get(name, []), f"{path}: results: {name}, rows of its tables")
    figures = {}
    for name, figure in content.get("figures", {}).items():
        where = f"{path}: figures: {name}"
        keys = ("title", "rows")
        check_keys(check_mapping(figure, where), (*keys, "columns"), where, required=keys)
        chosen = _FIGURE_COLUMNS
        if "columns" in figure:
            check_keys({figure["columns"]: None}, columns, f"{where}: columns")
            chosen = columns[figure["columns"]]
        figures[str(name)] = PrintedFigure(figure["title"], dict(figure["rows"]), chosen, groups)
    return PrintedFigures(
        content["title"],
        content.get("source", ""),
        content["language"],
        content.get("note", ""),
        tables,
        figures,
    )


def _check_table_language(lang: Any, where: str) -> None:
    if lang != MEAN_LANGUAGE:
        check_language(str(lang), where)


def _read_results(
    content: Mapping[str, Any], columns: Mapping[str, Tuple[Column, ...]], where: str
) -> Dict[str, Dict[str, Dict[str, Tuple[Optional[float], ...]]]]:
    """The printed numbers by columns, row and corpus."""
    found: Dict[str, Dict[str, Dict[str, Tuple[Optional[float], ...]]]] = {}
    written = check_mapping(content.get("results", {}), where)
    check_keys(written, columns, where)
    for name, by_row in written.items():
        found[name] = {}
        for row, by_corpus in check_mapping(by_row, f"{where}: {name}").items():
            place = f"{where}: {name}: {row}"
            check_keys(check_mapping(by_corpus, place), content.get("corpora", by_corpus), place)
            for corpus, numbers in by_corpus.items():
                if not isinstance(numbers, list) or len(numbers) != len(columns[name]):
                    count = len(numbers) if isinstance(numbers, list) else repr(numbers)
                    raise UserError(
                        f"{place}: {corpus}: must hold a number (or null) for each of the "
                        f"{len(columns[name])} columns, not {count}."
                    )
            found[name][row] = {corpus: tuple(numbers) for corpus, numbers in by_corpus.items()}
    return found


def _column(text: Any, groups: Mapping[str, Tuple[str, ...]], where: str) -> Column:
    given, _, rest = str(text).partition(" ")
    metric, _, lang = rest.partition(" ")
    reranked, _, way = given.rpartition(":")
    known = not reranked or _RERANKED.fullmatch(reranked)
    if not known or not ((way in DIRECTIONS and metric in METRICS) or (way, metric) in _SPECIAL):
        raise UserError(
            f"{where}: {text!r} must be a direction ({', '.join(DIRECTIONS)} or {FITTING}) and a metric "
            f"({', '.join(METRICS)}), or {' '.join(MULTIPLE_POSITIVES)}, {' '.join(ZERO_SHOT)} or "
            f"{LANGUAGES} and one of {', '.join(_OVER_LANGUAGES)}; a language or group may follow, "
            f"and {RERANKED_ALL}: or {RERANKED_TOP}N: stands before what a reranker scored."
        )
    if lang and lang not in groups and lang != MEAN_LANGUAGE:
        check_language(lang, f"{where}: {text!r}")
    return Column(given, metric, lang or None, groups.get(lang, ()))
