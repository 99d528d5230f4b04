"""Which trainings the tables of a paper need, and with which options of mlclap.sh.

A list of experiments is a YAML file (conf/experiments.yaml of a recipe, perhaps based on another recipe's):

    experiments:
      mixture: {train_sets: small, le_ratio: 0.1}    # options of mlclap.sh
      fra: {base: mixture, le_langs: fra_Latn}       # those of another experiment, and its own on top
      finetuned: {base: mixture, init_param: pretrained}   # starts from the weights of another experiment
    rows: {finetuned: {AudioCaps: tuned_audiocaps, ...}}  # rows that are not one experiment for all corpora
    train_sets: {small: audiocaps_train clotho_development}  # what a training set of the paper is here
    test_sets: {audiocaps_test: AudioCaps}           # test set here, corpus in the paper
    printed_figures: conf/printed_figures.yaml       # the tables (see printed.py), from the recipe's folder
    note: ...                                        # what a reader of the tables must know first

A list leaves out what its base has, but its recipe cannot do, by `name: null`.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple, Union

from espnet_mlclap.experiments.printed import PrintedFigures
from espnet_mlclap.utils.config import check_keys, check_mapping, read_config
from espnet_mlclap.utils.errors import UserError

_KEYS = ("experiments", "rows", "train_sets", "test_sets", "printed_figures", "note")


@dataclass(frozen=True)
class Experiment:
    """One training.

    Attributes:
        name: as in the list.
        options: options of mlclap.sh by name.
        starts_from: the experiment whose weights it starts from, if any.
    """

    name: str
    options: Mapping[str, str]
    starts_from: Optional[str] = None


@dataclass(frozen=True)
class Run:
    """A training with one seed."""

    experiment: Experiment
    seed: int

    @property
    def tag(self) -> str:
        """The experiment's folder is `mlclap_<tag>`."""
        return run_tag(self.experiment.name, self.seed)


@dataclass(frozen=True)
class ExperimentList:
    """What a recipe's list says.

    Attributes:
        experiments: by name.
        rows: experiments by corpus, of rows of the paper that are not one experiment of the same name.
        test_sets: corpus of the paper by test set.
        printed_figures: file of the tables.
        note: what a reader must know first.
    """

    experiments: Dict[str, Experiment]
    rows: Dict[str, Dict[str, str]]
    test_sets: Dict[str, str]
    printed_figures: str
    note: str

    def of_row(self, row: str) -> Dict[str, str]:
        """Experiments of a row of the paper by corpus; those that this recipe does not have are left out."""
        corpora = dict.fromkeys(self.test_sets.values(), row)
        found = self.rows.get(row, corpora)
        return {
            corpus: found[corpus]
            for corpus in corpora
            if corpus in found and found[corpus] in self.experiments
        }


def run_tag(name: str, seed: int) -> str:
    """Name of an experiment with a seed."""
    return f"{name}_seed{seed}"


def read_experiments(path: Union[str, Path]) -> ExperimentList:
    """Read a list of experiments.

    Raises:
        UserError: the file cannot be read, has an unknown key, or an experiment is based on one
            that is not there, on itself, or trained on a set that the recipe does not name.
    """
    content = read_config(path)
    mappings = ("experiments", "train_sets", "test_sets")
    check_keys(content, _KEYS, path, required=(*mappings, "printed_figures"))
    written, train_sets, test_sets = (
        _without_nulls(check_mapping(content[key], f"{path}: {key}")) for key in mappings
    )
    experiments = {}
    for name in written:
        options = _resolve(written, name, path)
        sets = options.get("train_sets")
        if sets not in train_sets:
            known = ", ".join(train_sets)
            raise UserError(
                f"{path}: experiments: {name}: train_sets: {sets!r} is not one of {known}."
            )
        options["train_sets"] = train_sets[sets]
        starts_from = options.pop("init_param", None)
        if starts_from is not None and starts_from not in written:
            raise UserError(
                f"{path}: experiments: {name}: init_param: no experiment is called {starts_from!r}."
            )
        experiments[name] = Experiment(
            name, {key: str(value) for key, value in options.items()}, starts_from
        )
    return ExperimentList(
        experiments,
        dict(content.get("rows", {})),
        test_sets,
        content["printed_figures"],
        content.get("note", ""),
    )


def _without_nulls(content: Mapping[str, Any]) -> Dict[str, Any]:
    return {name: value for name, value in content.items() if value is not None}


def _resolve(
    written: Mapping[str, Any], name: str, path: Union[str, Path], seen: Sequence[str] = ()
) -> Dict[str, Any]:
    where = f"{path}: experiments: {name}"
    if name in seen:
        raise UserError(f"{where}: base: is in the end based on itself.")
    if not isinstance(written[name], dict):
        raise UserError(f"{where}: must hold options of mlclap.sh by name.")
    options = dict(written[name])
    base = options.pop("base", None)
    if base is None:
        return _without_nulls(options)
    if base not in written:
        raise UserError(f"{where}: base: no experiment is called {base!r}.")
    return _without_nulls({**_resolve(written, base, path, (*seen, name)), **options})


def select(
    listed: ExperimentList, printed: PrintedFigures, tables: Sequence[str], seeds: Sequence[int]
) -> List[Run]:
    """The trainings of some tables, each once, and what they start from before them.

    Rows of the paper that are not an experiment of the list (the work of others, or what this recipe cannot
    do) are left out. All experiments of the first seed come first.

    Raises:
        UserError: the tables have no experiment in the list, or experiments start from each other.
    """
    order: List[str] = []

    def add(name: str, waiting: Sequence[str]) -> None:
        if name in waiting:
            raise UserError(f"experiments: {name}: init_param: starts in the end from itself.")
        start = listed.experiments[name].starts_from
        if start is not None:
            add(start, (*waiting, name))
        if name not in order:
            order.append(name)

    for table in tables:
        for row in printed.rows(table).values():
            for name in listed.of_row(row).values():
                add(name, ())
    if not order:
        raise UserError(f"--tables {' '.join(tables)}: no experiment of the list is in them.")
    return [Run(listed.experiments[name], seed) for seed in seeds for name in order]


def longest_first(runs: Sequence[Run], translations: Mapping[str, float]) -> List[Run]:
    """The same trainings in an order in which several at a time end together.

    First those that others start from, which must not wait for them, then those with the most translations
    in an epoch.

    Args:
        runs: the trainings.
        translations: by the tag of a training, how many of a caption's translations an epoch uses.
    """
    start_of = {run.experiment.name: run.experiment.starts_from for run in runs}

    def ancestors(name: Optional[str]) -> int:
        return 0 if start_of.get(name) is None else 1 + ancestors(start_of[name])

    def key(run: Run) -> Tuple[bool, int, float]:
        name = run.experiment.name
        awaited = name in start_of.values()
        return not awaited, ancestors(name) if awaited else 0, -translations[run.tag]

    return sorted(runs, key=key)


def read_seeds(text: str) -> List[int]:
    """Seeds of training from the words of `--seeds`.

    Raises:
        UserError: they are not whole numbers, or not different.
    """
    words = text.split()
    if not words or not all(word.isdigit() for word in words) or len(set(words)) < len(words):
        raise UserError(f"--seeds {text!r}: must be different whole numbers separated by spaces.")
    return [int(word) for word in words]


def data_options(runs: Sequence[Run], expdir: str) -> List[List[str]]:
    """Options for stages 1 to 4, once for each choice of training and validation sets.

    Translations are made where any experiment on these sets uses them, in all languages of the recipe.
    """
    ratios: Dict[Tuple[str, str], str] = {}
    for run in runs:
        options = run.experiment.options
        sets = options["train_sets"], options.get("valid_set", "")
        if float(options.get("le_ratio", 0)) > float(ratios.get(sets, -1)):
            ratios[sets] = options["le_ratio"]
    choices = []
    for (train, valid), ratio in ratios.items():
        # statistics of their own, so that one choice does not undo the other's
        stats = f"{expdir}/stats/{'_'.join([*train.split(), valid]).rstrip('_')}"
        options = ["--train_sets", train, "--le_ratio", ratio, "--expdir", expdir]
        choices.append([*options, "--statsdir", stats, *(["--valid_set", valid] if valid else [])])
    return choices


def run_options(run: Run, expdir: str, inference_model: str) -> List[str]:
    """Options of mlclap.sh for stages 5 to 7 of one training."""
    options = ["--mlclap_tag", run.tag, "--seed", str(run.seed), "--expdir", expdir]
    options += ["--inference_model", inference_model]
    for name, value in run.experiment.options.items():
        options += [f"--{name}", value]
    if run.experiment.starts_from is not None:
        start = run_tag(run.experiment.starts_from, run.seed)
        options += ["--init_param", f"{expdir}/mlclap_{start}/{inference_model}"]
    return options
