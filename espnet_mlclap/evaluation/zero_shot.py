"""Zero-shot classification: a clip gets the class whose captions are most similar to it.

The vector of a class in a language is the mean of the unit embeddings of its distinct captions
(prompt ensembling; A. Radford et al., "Learning Transferable Visual Models From Natural Language
Supervision", ICML 2021, section 3.1.4). The captions come from the training set or from a file of
templates, never from the clips that are classified.
"""

import csv
import logging
from pathlib import Path
from typing import Any, Dict, Iterable, List, NamedTuple, Sequence, Set, Tuple, Union

import numpy as np

from espnet_mlclap.evaluation.confidence import REPLICATES, mean_interval
from espnet_mlclap.evaluation.embeddings import read_matrix, sort_languages
from espnet_mlclap.evaluation.ranks import unit_rows
from espnet_mlclap.fileio.data_dir import DataDir, read_captions
from espnet_mlclap.utils.atomic import atomic_dir
from espnet_mlclap.utils.config import check_mapping
from espnet_mlclap.utils.errors import UserError
from espnet_mlclap.utils.languages import check_language
from espnet_mlclap.utils.reading import read_json, read_text
from espnet_mlclap.utils.settings import check_types

_PROMPT_COLUMNS = ("label", "lang", "caption")
_NUMBERS = ("accuracy", "chance", "clips", "classes", "prompts")
_TYPES = {
    "interval": Tuple[float, float],
    **dict.fromkeys(_NUMBERS, float),
}  # of a language's entry


class Prompt(NamedTuple):
    """A caption that stands for a class."""

    label: str
    lang: str
    caption: str


def zero_shot_scores(
    audio: np.ndarray,
    labels: Sequence[str],
    prompts: Sequence[Prompt],
    text: np.ndarray,
    *,
    replicates: int = REPLICATES,
    seed: int = 0,
) -> Dict[str, Dict[str, Any]]:
    """Classify clips by the captions of each class, language by language.

    Args:
        audio: clip embeddings [N, E].
        labels: class of each clip [N].
        prompts: captions of the classes [M].
        text: embeddings of the prompts [M, E].
        replicates: bootstrap samples of the interval (over clips).
        seed: of the bootstrap.

    Returns:
        By language: "clips", "classes", "prompts"; "accuracy", "chance", "interval" (95 %) and "per_class"
        (accuracy by class) in per cent. A clip as similar to several classes counts with the share of
        the right one among them.

    Raises:
        UserError: a class of the clips has no prompt in a language; NaN or infinity.
        ValueError: counts that do not fit.
    """
    if len(labels) != len(audio) or len(prompts) != len(text):
        raise ValueError("labels and prompts must be as many as their embeddings")
    audio, text = unit_rows(audio, "audio embeddings"), unit_rows(text, "text embeddings")
    labels = np.array(labels)
    langs = np.array([prompt.lang for prompt in prompts])
    scores = {}
    for lang in sort_languages(set(langs)):
        rows = np.flatnonzero(langs == lang)
        classes, members = np.unique([prompts[row].label for row in rows], return_inverse=True)
        missing = sorted(set(labels) - set(classes))
        if missing:
            raise UserError(
                f"no caption in {lang} stands for the class {', '.join(missing)}. Add prompts for it, or "
                "leave the language out."
            )
        centres = np.stack([text[rows[members == index]].mean(0) for index in range(len(classes))])
        similarity = audio @ unit_rows(centres, "class embeddings").T  # [N, classes]
        winners = similarity == similarity.max(axis=1, keepdims=True)
        right = winners[np.arange(len(labels)), np.searchsorted(classes, labels)]
        correct = right / winners.sum(axis=1)
        low, high = mean_interval(100.0 * correct, replicates, seed)
        scores[lang] = {
            "clips": len(labels),
            "classes": len(classes),
            "prompts": len(rows),
            "accuracy": 100.0 * float(correct.mean()),
            "interval": [low, high],
            "chance": 100.0 / len(classes),
            "per_class": {
                str(name): 100.0 * float(correct[labels == name].mean())
                for name in classes
                if np.any(labels == name)
            },
        }
    return scores


def prompts_of_complete_languages(prompts: Sequence[Prompt], labels: Iterable[str]) -> List[Prompt]:
    """The prompts in languages that have some for each class; what is left out is said.

    Args:
        prompts: captions of training sets, of which some may be translated in part.
        labels: the classes of the clips that are classified.
    """
    labels = set(labels)
    classes: Dict[str, Set[str]] = {}
    for prompt in prompts:
        classes.setdefault(prompt.lang, set()).add(prompt.label)
    complete = {lang for lang, found in classes.items() if labels <= found}
    for lang in sort_languages(set(classes) - complete) if complete else ():
        missing = ", ".join(sorted(labels - classes[lang]))
        logging.warning(
            f"zero-shot classification leaves {lang} out: no caption in it of {missing}"
        )
    return [prompt for prompt in prompts if not complete or prompt.lang in complete]


def prompts_of_training_data(
    train_dirs: Sequence[Union[str, Path]], test_clips: Sequence[str]
) -> List[Prompt]:
    """Collect the distinct captions of each class and language from training sets.

    Args:
        train_dirs: training sets with `clip2label`, and directories of their translated captions.
        test_clips: ids of the clips to be classified, which must not be among them.

    Raises:
        UserError: no labels, captions of unlabelled clips, clips that are also test clips.
    """
    sets = [Path(path) for path in train_dirs]
    labelled = [path for path in sets if (path / "clip2label").exists()]
    if not labelled:
        raise UserError(
            f"no clip2label in {', '.join(map(str, sets))}: prompts need training clips with labels. Add a "
            "label column to the metadata, or give a file of templates."
        )
    labels: Dict[str, str] = {}
    for path in labelled:
        labels.update(DataDir.read(path).labels)
    shared = sorted(set(labels) & set(test_clips))
    if shared:
        raise UserError(
            f"{', '.join(map(str, labelled))}: {len(shared)} clips are also in the test set (such as "
            f"{shared[0]!r}). Prompts must come from other clips than those that are classified."
        )
    prompts = set()
    for path in sets:
        for key, caption in read_captions(path).items():
            if caption.clip not in labels:
                raise UserError(
                    f"{path / 'utt2clip'}: the clip {caption.clip!r} of {key!r} has no label in the "
                    "training sets. Give the set that it belongs to."
                )
            prompts.add(Prompt(labels[caption.clip], caption.lang, caption.text))
    return sorted(prompts)


def read_prompts(path: Union[str, Path]) -> List[Prompt]:
    """Read prompts: UTF-8, tab-separated, with the header `label lang caption`.

    Raises:
        UserError: missing, another header, a line with other than three fields, an unknown language.
    """
    path = Path(path)
    try:
        lines = list(
            csv.reader(read_text(path).splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE)
        )
    except csv.Error as error:  # a field of more than 128 kB
        raise UserError(f"{path}: not a table of prompts ({error}).") from error
    if not lines or tuple(lines[0]) != _PROMPT_COLUMNS:
        raise UserError(f"{path}:1: must be the header `label<TAB>lang<TAB>caption`.")
    prompts = []
    for number, fields in enumerate(lines[1:], 2):
        if len(fields) != 3 or not all(field.strip() for field in fields):
            raise UserError(
                f"{path}:{number}: must have a label, a language and a caption, separated by tabs."
            )
        prompt = Prompt(*(field.strip() for field in fields))
        check_language(prompt.lang, f"{path}:{number}")
        prompts.append(prompt)
    if not prompts:
        raise UserError(f"{path}: has no prompts. Add lines of label, language and caption.")
    return prompts


def write_prompt_embeddings(
    folder: Union[str, Path], prompts: Sequence[Prompt], text: np.ndarray
) -> None:
    """Keep prompts and their embeddings: prompts.tsv and text_embeddings.npy."""
    with atomic_dir(folder) as temporary:
        lines = [_PROMPT_COLUMNS, *prompts]
        (temporary / "prompts.tsv").write_text(
            "".join("\t".join(fields) + "\n" for fields in lines), encoding="utf-8"
        )
        np.save(temporary / "text_embeddings.npy", text)


def read_prompt_embeddings(folder: Union[str, Path]) -> Tuple[List[Prompt], np.ndarray]:
    """Read what `write_prompt_embeddings` wrote.

    Raises:
        UserError: a file is missing or broken, or their counts differ.
    """
    prompts = read_prompts(Path(folder) / "prompts.tsv")
    text = read_matrix(Path(folder) / "text_embeddings.npy")
    if len(prompts) != len(text):
        raise UserError(f"{folder}: {len(prompts)} prompts but {len(text)} embeddings.")
    return prompts, text


def read_zero_shot_scores(path: Union[str, Path]) -> Dict[str, Dict[str, Any]]:
    """Read a zero_shot.json.

    Raises:
        UserError: not JSON, or of another layout.
    """
    try:
        scores = check_mapping(read_json(path), path)
        for lang, entry in scores.items():
            where = f"{path}: {lang}"
            check_types(check_mapping(entry, where), _TYPES, where, required=True)
    except UserError as error:
        raise UserError(
            f"{error} These are no accuracies by language: run stage 7 again."
        ) from error
    return scores
