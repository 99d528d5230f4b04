"""Which trainings the tables of papers need, in which order, and with which options of mlclap.sh."""

from dataclasses import dataclass
from typing import Dict, List, Mapping, Sequence, Tuple

from espnet_mlclap.experiments.papers import ChosenPaper
from espnet_mlclap.experiments.plan import (
    REFERENCES,
    Experiment,
    ExperimentList,
    check_options,
    is_path,
    is_whole,
    parse_reference,
    run_tag,
)
from espnet_mlclap.utils.errors import UserError


@dataclass(frozen=True)
class Run:
    """A training with one seed."""

    experiment: Experiment
    seed: int

    @property
    def tag(self) -> str:
        """The experiment's folder is `mlclap_<tag>`."""
        return run_tag(self.experiment.name, self.seed)

    @property
    def needs(self) -> List[str]:
        """Tags of the trainings that must have ended before."""
        needed = (_with_seed(reference, self.seed) for reference in self.experiment.needs)
        return [run_tag(name, seed) for name, seed in needed]


def _with_seed(reference: Tuple[str, object], seed: int) -> Tuple[str, int]:
    name, own = reference
    return name, own if isinstance(own, int) else seed


def select(
    listed: ExperimentList, chosen: Sequence[ChosenPaper], seeds: Sequence[int]
) -> List[Run]:
    """The trainings of some tables, each once, and what they need before them.

    Rows of a paper that are not an experiment of the list (the work of others, or what this recipe cannot
    do) are left out. All experiments of the first seed come first.

    Raises:
        UserError: the tables have no experiment in the list, or experiments need each other.
    """
    found: Dict[str, Run] = {}

    def add(name: str, seed: int, waiting: Sequence[str]) -> None:
        run = Run(listed.experiments[name], seed)
        if run.tag in waiting:
            raise UserError(f"experiments: {name}: starts in the end from itself.")
        for reference in run.experiment.needs:
            add(*_with_seed(reference, seed), (*waiting, run.tag))
        found.setdefault(run.tag, run)

    for seed in seeds:
        for paper in chosen:
            for table in paper.tables:
                for row in paper.printed.rows(table).values():
                    for name in listed.of_row(row).values():
                        add(name, seed, ())
    if not found:
        tables = " ".join(table for paper in chosen for table in paper.tables)
        raise UserError(f"--tables {tables}: no experiment of the list is in them.")
    return list(found.values())


def longest_first(runs: Sequence[Run], translations: Mapping[str, float]) -> List[Run]:
    """The same trainings in an order in which several at a time end together.

    First those that others need, which must not wait for them, then those with the most translations in an
    epoch.

    Args:
        runs: the trainings.
        translations: by the tag of a training, how many of a caption's translations an epoch uses.
    """
    needs = {run.tag: run.needs for run in runs}
    awaited = {tag for needed in needs.values() for tag in needed}

    def depth(tag: str) -> int:
        return 1 + max((depth(needed) for needed in needs[tag]), default=-1)

    def key(run: Run) -> Tuple[bool, int, float]:
        first = run.tag in awaited
        return not first, depth(run.tag) if first else 0, -translations[run.tag]

    return sorted(runs, key=key)


def read_seeds(text: str) -> List[int]:
    """Seeds of training from the words of `--seeds`.

    Raises:
        UserError: they are not whole numbers, or not different.
    """
    words = text.split()
    seeds = [int(word) for word in words if is_whole(word)]
    if not words or len(set(seeds)) < len(words):
        raise UserError(f"--seeds {text!r}: must be different whole numbers separated by spaces.")
    return seeds


def check_passed(passed: Sequence[str], runs: Sequence[Run]) -> None:
    """Make sure that options which all experiments get leave alone what tells the experiments apart.

    The last value of an option is what mlclap.sh takes: these would replace an experiment's own.

    Args:
        passed: options of mlclap.sh, as `--name value` or `--name=value`.
        runs: the trainings that get them.

    Raises:
        UserError: names an option that an experiment sets, or that `check_options` refuses.
    """
    given = {}
    words = iter(passed)
    for word in words:
        name, equals, value = word.removeprefix("--").partition("=")
        given[name] = value if equals else next(words, "")
    check_options(given, "options after --")
    for run in runs:
        for name in given:
            if name in run.experiment.options:
                raise UserError(
                    f"options after --: --{name} would replace what the list says of the experiment "
                    f"{run.experiment.name}. Change it in the list."
                )


def run_options(run: Run, expdir: str, inference_model: str) -> List[str]:
    """Options of mlclap.sh for stages 5 to 7 of one training."""
    options = ["--mlclap_tag", run.tag, "--seed", str(run.seed), "--expdir", expdir]
    options += ["--inference_model", inference_model]
    for name, value in run.experiment.options.items():
        if name in REFERENCES:
            place = REFERENCES[name]
            words = []
            for word in value.split():
                if not is_path(word):
                    tag = run_tag(*_with_seed(parse_reference(word), run.seed))
                    word = place.format(expdir=expdir, tag=tag, inference_model=inference_model)
                words.append(word)
            value = " ".join(words)
        options += [f"--{name}", value]
    return options
