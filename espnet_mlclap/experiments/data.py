"""The data that experiments need: options of mlclap.sh for stages 1 to 4."""

import re
from typing import Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

from espnet_mlclap.experiments.runs import Run
from espnet_mlclap.utils.errors import UserError

# options that decide what is made, by what is made
_PREPARED = ("corpus", "local_data_opts", "local_data_inputs")
_TRANSLATED = (
    *("langs", "translator", "translation_encoder", "translation_decoder", "translation_config"),
    *("given_dir", "reference_dir"),
)
_PARAPHRASED = ("langs", "paraphraser", "given_paraphrases", "translation_config")
_FORMATTED = ("clips_per_shard", "skip_bad_audio", "test_translator")
_SETS = ("train_sets", "valid_set")
# all that stages 1 to 4 use, besides le_ratio
_USED = tuple(
    dict.fromkeys(
        (
            *(*_SETS, "test_sets", "datadir", "dumpdir", "audio_format", "paraphrase_ratio"),
            *(*_PREPARED, *_TRANSLATED, *_PARAPHRASED, *_FORMATTED),
        )
    )
)

_Choice = Tuple[Tuple[str, str], ...]  # options by name


def data_options(runs: Sequence[Run], expdir: str, ratios: Mapping[str, str]) -> List[List[str]]:
    """Options for stages 1 to 4, once for each choice of what these stages use.

    Translations are made where any experiment of a choice uses them, in all languages of the recipe.

    Args:
        runs: the trainings.
        expdir: folder of the experiments.
        ratios: `le_ratio` of each training, by its tag.

    Raises:
        UserError: two choices would make different data in the same folder; names an experiment of each.
    """
    chosen: Dict[_Choice, str] = {}
    names: Dict[_Choice, str] = {}
    for run in runs:
        options = run.experiment.options
        choice = tuple((name, options[name]) for name in _USED if name in options)
        names.setdefault(choice, run.experiment.name)
        if float(ratios[run.tag]) > float(chosen.get(choice, -1)):
            chosen[choice] = ratios[run.tag]
    owners: Dict[Tuple[Optional[str], ...], _Choice] = {}
    for choice, ratio in chosen.items():
        for place, deciding in _made(dict(choice), ratio):
            first = owners.setdefault(place, choice)
            for option in deciding:
                if dict(choice).get(option) != dict(first).get(option):
                    raise UserError(
                        f"experiments: {names[first]} and {names[choice]} differ in {option}, but their data "
                        "are made in the same folders. Give one of them a datadir and a dumpdir of its own."
                    )
    return [_command(dict(choice), ratio, expdir) for choice, ratio in chosen.items()]


def _made(
    choice: Mapping[str, str], ratio: str
) -> Iterator[Tuple[Tuple[Optional[str], ...], Sequence[str]]]:
    """What is made where, and which options decide how it comes out."""
    datadir, dumpdir = choice.get("datadir"), choice.get("dumpdir")
    yield ("prepared", datadir), _PREPARED
    yield ("formatted", dumpdir, choice.get("audio_format")), _FORMATTED
    for name in choice["train_sets"].split():
        if float(ratio) > 0:
            yield ("translated", datadir, name), _TRANSLATED
        if choice.get("paraphraser", "none") != "none":
            yield ("paraphrased", datadir, name), _PARAPHRASED


def _command(choice: Mapping[str, str], ratio: str, expdir: str) -> List[str]:
    # statistics of their own, so that one choice does not undo the other's
    more = [f"{name} {value}" for name, value in choice.items() if name not in _SETS]
    words = [*choice["train_sets"].split(), choice.get("valid_set", ""), *more]
    stats = re.sub(r"[^\w.-]+", "_", "_".join(filter(None, words)))
    options = ["--train_sets", choice["train_sets"], "--le_ratio", ratio, "--expdir", expdir]
    options += ["--statsdir", f"{expdir}/stats/{stats}"]
    for name, value in choice.items():
        if name != "train_sets":
            options += [f"--{name}", value]
    return options
