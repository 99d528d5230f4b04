"""Which trainings the tables of a paper need, and with which options of mlclap.sh.

A list of experiments is a YAML file (conf/experiments.yaml of a recipe, perhaps based on another recipe's):

    experiments:
      mixture: {train_sets: small, le_ratio: 0.1}    # options of mlclap.sh
      fra: {base: mixture, le_langs: fra_Latn}       # those of another experiment, and its own on top
      finetuned: {base: mixture, init_param: pretrained}   # starts from the weights of another experiment
      student: {base: mixture, teachers: mixture@1 mixture@2 fra}  # needs others; @: with that seed
    rows: {finetuned: {AudioCaps: tuned_audiocaps, ...}}  # rows that are not one experiment for all corpora
    train_sets: {small: audiocaps_train clotho_development}  # what a training set of the paper is here
    test_sets: {audiocaps_test: AudioCaps}           # test set here, corpus in the paper
    papers: {ml_clap: conf/papers/ml_clap.yaml}      # their tables (see printed.py), from the recipe's folder
    ours: ours, synthetic corpus                     # what our numbers are called next to a paper's
    note: ...                                        # what a reader of the tables must know first

A list leaves out what its base has, but its recipe cannot do, by `name: null`. Which of these are run, in
which order, is in runs.py.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence, Union

from espnet_mlclap.utils.config import check_keys, check_mapping, read_config
from espnet_mlclap.utils.errors import UserError

_KEYS = ("experiments", "rows", "train_sets", "test_sets", "papers", "ours", "note")
_FOLDER = "{expdir}/mlclap_{tag}"
#: Options of mlclap.sh that name other experiments, and what mlclap.sh gets of each.
REFERENCES = {"init_param": f"{_FOLDER}/{{inference_model}}", "teachers": _FOLDER}
_BY_STAGES = "leave it out: which stages are run follows from what is done"
#: Options of mlclap.sh that follow from how the experiments are run, and what to do instead of giving them.
RESERVED = {
    "seed": "give --seeds to run_experiments",
    "mlclap_tag": "leave it out: the folder is named by experiment and seed",
    "expdir": "give --expdir to run_experiments",
    "inference_model": "give --inference_model to run_experiments",
    "inference_tag": "leave it out: the folder is named by --inference_model",
    "statsdir": "leave it out: each choice of data has statistics of its own in --expdir",
    "print_plan": "give --dry_run true to run_experiments",
    **dict.fromkeys(("stage", "stop_stage", "skip_train", "skip_eval"), _BY_STAGES),
    "download_model": "leave it out: the experiments are trained here",
}


class Reference(NamedTuple):
    """An experiment that another one needs: with a seed of its own, or None for that of the other."""

    name: str
    seed: Optional[int]


@dataclass(frozen=True)
class Experiment:
    """One training.

    Attributes:
        name: as in the list.
        options: options of mlclap.sh by name; those of `REFERENCES` with names of experiments.
    """

    name: str
    options: Mapping[str, str]

    @property
    def needs(self) -> List[Reference]:
        """The experiments that must have been trained before."""
        words = [word for option in REFERENCES for word in self.options.get(option, "").split()]
        return [parse_reference(word) for word in words if not is_path(word)]


def is_path(word: str) -> bool:
    """Whether a word of `init_param` or `teachers` is a file or folder, and no experiment of the list."""
    return "/" in word


def parse_reference(word: str) -> Reference:
    """`name` or `name@seed`."""
    name, _, seed = word.partition("@")
    return Reference(name, int(seed)) if is_whole(seed) else Reference(word, None)


def is_whole(word: str) -> bool:
    """Whether a word is a whole number in plain digits (to `str.isdigit`, `²` is one too)."""
    return word.isascii() and word.isdecimal()


@dataclass(frozen=True)
class ExperimentList:
    """What a recipe's list says.

    Attributes:
        experiments: by name.
        rows: experiments by corpus, of rows of the paper that are not one experiment of the same name.
        test_sets: corpus of the paper by test set.
        papers: files of their tables by the words that `--papers` takes.
        note: what a reader must know first.
        ours: what our numbers are called next to a paper's.
    """

    experiments: Dict[str, Experiment]
    rows: Dict[str, Dict[str, str]]
    test_sets: Dict[str, str]
    papers: Dict[str, str]
    note: str = ""
    ours: str = "ours"

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
        UserError: the file cannot be read, has an unknown key, or an experiment is based on one or needs one
            that is not there, is based on itself, trained on a set that the recipe does not name, has an
            option of `RESERVED`, or a value that is neither text, number nor boolean; or a row names an
            experiment that is not there.
    """
    content = read_config(path)
    mappings = ("experiments", "train_sets", "test_sets", "papers")
    check_keys(content, _KEYS, path, required=mappings)
    written, train_sets, test_sets, papers = (
        _without_nulls(check_mapping(content[key], f"{path}: {key}")) for key in mappings
    )
    train_sets = {
        name: _word(value, f"{path}: train_sets: {name}") for name, value in train_sets.items()
    }
    experiments = {}
    for name in written:
        options = {
            key: _word(value, f"{path}: experiments: {name}: {key}")
            for key, value in _resolve(written, name, path).items()
        }
        check_options(options, f"{path}: experiments: {name}")
        sets = options.get("train_sets")
        if sets not in train_sets:
            known = ", ".join(train_sets)
            raise UserError(
                f"{path}: experiments: {name}: train_sets: {sets!r} is not one of {known}."
            )
        options["train_sets"] = train_sets[sets]
        experiment = Experiment(name, options)
        for needed in experiment.needs:
            if written.get(needed.name) is None:
                raise UserError(
                    f"{path}: experiments: {name}: no experiment is called {needed.name!r} (a file or folder "
                    "must contain a /)."
                )
        experiments[name] = experiment
    return ExperimentList(
        experiments,
        _read_rows(content.get("rows", {}), content["experiments"], f"{path}: rows"),
        test_sets,
        papers,
        content.get("note", ""),
        content.get("ours", "ours"),
    )


def check_options(options: Mapping[str, str], where: str) -> None:
    """Make sure that options of mlclap.sh leave alone what follows from how the experiments are run.

    Args:
        options: by name.
        where: they stand; comes first in the error.

    Raises:
        UserError: names an option of `RESERVED`, or one for the training in `mlclap_args`, and what to do.
    """
    for name, instead in RESERVED.items():
        if name in options:
            raise UserError(f"{where}: {name}: cannot be chosen here; {instead}.")
    for word in options.get("mlclap_args", "").split():
        if word.partition("=")[0] == "--seed":
            raise UserError(
                f"{where}: mlclap_args: {word}: cannot be chosen here; {RESERVED['seed']}."
            )


def _word(value: Any, where: str) -> str:
    """A value as mlclap.sh takes it."""
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, (str, int, float)):
        raise UserError(
            f"{where}: {value!r} must be text, a number, true or false (several words: one text, separated "
            "by spaces)."
        )
    return str(value)


def _read_rows(content: Any, known: Mapping[str, Any], where: str) -> Dict[str, Dict[str, str]]:
    """Experiments by row and corpus; `known` has those that this recipe leaves out, too."""
    rows = _without_nulls(check_mapping(content, where))
    for row, by_corpus in rows.items():
        for corpus, name in check_mapping(by_corpus, f"{where}: {row}").items():
            check_keys({name: None}, known, f"{where}: {row}: {corpus}")
    return rows


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
