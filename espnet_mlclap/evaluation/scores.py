"""Scores of test sets by language, and the file scores.json that holds them.

    {test set: {lang: {"clips": n, "captions": m,
                       "t2a": {"R@1", "R@5", "R@10", "R@50", "mAP@10", "medR", "meanR"}, "a2t": {...},
                       "intervals": {"t2a": {metric: [low, high]}, "a2t": {...}},   95 %, over clips
                       "chance": {"t2a": {...}, "a2t": {...}},                       a random order
                       "tied_queries": {"t2a": n, "a2t": n},
                       "multiple_positives": {...},                                  only with lists
                       "reranked": {reranker: {...}},              see `reranked_scores.add_reranked`
                       "difference": {"to": experiment, "t2a": {metric: [difference, low, high]}, ...}},
                                                                                     only with a baseline
                "consistency": {"languages": K, "captions": n, "MRV": x, "spread": {}, "intervals": {}},
                                                          see `consistency.py`; only with the same captions
                "source_lang": lang,                                                  may have no captions
                "mean": {"mAP@10": x, "t2a_R@1": x, ...}}}                           see `mean_of_languages`

R@k and mAP@k are in per cent, medR and meanR are ranks from 1. A language is scored with its own
captions and with all clips of the set. The same function scores the validation set while training, and
"mean" holds the same names as history.jsonl: what chose a checkpoint can be found again to the last digit.
"""

import json
import re
import statistics
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Sequence, Union

import numpy as np

from espnet_mlclap.evaluation.confidence import REPLICATES, bootstrap_intervals
from espnet_mlclap.evaluation.consistency import language_consistency
from espnet_mlclap.evaluation.embeddings import EmbeddingSet, sort_languages
from espnet_mlclap.evaluation.metrics import (
    QueryValues,
    chance_scores,
    relevance_values,
    retrieval_values,
)
from espnet_mlclap.fileio.data_dir import read_table
from espnet_mlclap.utils.atomic import atomic_open, is_left_over
from espnet_mlclap.utils.errors import UserError
from espnet_mlclap.utils.languages import PAPER_SOURCE
from espnet_mlclap.utils.reading import read_json
from espnet_mlclap.utils.settings import check_types

DIRECTIONS = {"t2a": "Text to audio", "a2t": "Audio to text"}
METRICS = ("R@1", "R@5", "R@10", "R@50", "mAP@10", "medR", "meanR")
CRITERION = "mAP@10"  # chooses the best checkpoint
_AVERAGED = ("R@1", "R@10", "mAP@10")
# What `mean_of_languages` gives.
MEAN_NAMES = (CRITERION, *(f"{way}_{name}" for way in DIRECTIONS for name in _AVERAGED))
# Their places in scores.json, next to the languages.
_MEAN, _SOURCE, _CONSISTENCY = "mean", "source_lang", "consistency"
_OUTDATED = re.compile(r"outdated(_\d+)?")  # what scripts/jobs.sh of the recipes calls the folder


# of a language's entry
_TYPES = {"clips": int, "captions": int, **dict.fromkeys(DIRECTIONS, Mapping[str, Any])}


class SetScores(Dict[str, dict]):
    """Scores of a test set by language, in reporting order: the source language first.

    Args:
        source_lang: the language that the others are translations of; its captions need not be there.
        entries: scores by language, in any order.
        consistency: over languages, where they have the same captions.
    """

    def __init__(
        self,
        source_lang: str,
        entries: Mapping[str, dict],
        consistency: Optional[Mapping[str, Any]] = None,
    ):
        super().__init__((lang, entries[lang]) for lang in sort_languages(entries, source_lang))
        self.source_lang = source_lang
        self.consistency = consistency


AllScores = Dict[str, SetScores]  # by test set


def score_set(
    embeddings: EmbeddingSet,
    *,
    replicates: int = REPLICATES,
    seed: int = 0,
    source_lang: str = PAPER_SOURCE,
    relevant: Optional[Mapping[str, Sequence[str]]] = None,
) -> SetScores:
    """Score every language of a test set.

    Args:
        embeddings: clips and captions.
        replicates: bootstrap samples of the intervals; 0 for none, and no "intervals".
        seed: of the bootstrap.
        source_lang: the language that the others are translations of.
        relevant: clip ids by caption id, from `read_relevant_clips`; adds "multiple_positives" to the
            languages with such captions.

    Returns:
        The entry of the set in scores.json.
    """
    clip_rows = {clip: row for row, clip in enumerate(embeddings.clips)}
    scores: Dict[str, dict] = {}
    all_values: Dict[str, Dict[str, QueryValues]] = {}
    for lang in embeddings.languages:
        rows = embeddings.rows_of_language(lang)
        text, owners = embeddings.text[rows], embeddings.caption_to_clip[rows]
        values = all_values[lang] = retrieval_values(embeddings.audio, text, owners)
        scores[lang] = {
            "clips": len(embeddings.clips),
            "captions": len(rows),
            **{way: queries.scores() for way, queries in values.items()},
            **_intervals(values, replicates, seed),
            "chance": chance_scores(np.bincount(owners, minlength=len(embeddings.clips))),
            "tied_queries": {way: queries.tied for way, queries in values.items()},
        }
        pairs = [
            (line, clip_rows[clip])
            for line, row in enumerate(rows)
            for clip in (relevant or {}).get(embeddings.captions[row], ())
        ]
        if pairs:
            caption, clip = np.array(pairs).T
            queries = relevance_values(embeddings.audio, text, caption, clip)
            scores[lang]["multiple_positives"] = {
                "captions": len(queries.query),
                "clips_a_caption": len(pairs) / len(queries.query),
                "t2a": queries.scores(),
                **_intervals({"t2a": queries}, replicates, seed),
            }
    consistency = language_consistency(embeddings, all_values, replicates=replicates, seed=seed)
    return SetScores(source_lang, scores, consistency)


def _intervals(
    values: Mapping[str, QueryValues], replicates: int, seed: int
) -> Dict[str, Dict[str, dict]]:
    if not replicates:
        return {}
    return {
        "intervals": {
            way: bootstrap_intervals(queries, replicates, seed) for way, queries in values.items()
        }
    }


def mean_of_languages(scores: Mapping[str, dict]) -> Dict[str, float]:
    """Figures of a set as a whole, in per cent.

    Returns:
        The means over its languages as `t2a_R@1`, ..., `a2t_mAP@10`, and `mAP@10`: the mean of both
        directions' mAP@10, by which training chooses the best checkpoint. (`fmean` adds exactly, so that the
        order of the languages does not matter.)
    """
    means = {
        f"{way}_{name}": statistics.fmean(scores[lang][way][name] for lang in scores)
        for way in DIRECTIONS
        for name in _AVERAGED
    }
    means[CRITERION] = statistics.fmean(means[f"{way}_{CRITERION}"] for way in DIRECTIONS)
    return means


def read_relevant_clips(
    path: Union[str, Path], embeddings: EmbeddingSet, own_clip: bool = False
) -> Dict[str, List[str]]:
    """Read lists of relevant clips: `<caption id> <clip id> [<clip id> ...]` per line.

    Args:
        path: the file.
        embeddings: the set that it belongs to.
        own_clip: count the clip that a caption was written for as relevant also where it is not in
            the list. DCASE 2025 does not: its annotators decided on every pair.

    Raises:
        UserError: a broken line, an id that is not in the set, a clip twice in a line.
    """
    clips = set(embeddings.clips)
    owners = {
        caption: embeddings.clips[row]
        for caption, row in zip(embeddings.captions, embeddings.caption_to_clip)
    }
    relevant: Dict[str, List[str]] = {}
    for number, (caption, value) in enumerate(read_table(path).items(), 1):
        listed = value.split()
        if caption not in owners:
            raise UserError(
                f"{path}:{number}: no caption {caption!r} in {embeddings.path}. Correct or remove the line."
            )
        for clip in listed:
            if clip not in clips:
                raise UserError(
                    f"{path}:{number}: no clip {clip!r} in {embeddings.path}. Correct or remove it."
                )
        if len(set(listed)) < len(listed):
            raise UserError(f"{path}:{number}: a clip appears twice in the line. Keep one of them.")
        if own_clip and owners[caption] not in listed:
            listed.append(owners[caption])
        relevant[caption] = listed
    return relevant


def find_sets(inference_dir: Union[str, Path], wanted: Optional[Sequence[str]] = None) -> List[str]:
    """Names of the sets that have embeddings in `inference_dir`, sorted; those that are `wanted`, if given.

    Raises:
        UserError: there is none, or not one that is wanted.
    """
    inference_dir = Path(inference_dir)
    folders = [path.parent for path in inference_dir.glob("*/audio_embeddings.npy")]
    names = sorted(folder.name for folder in folders if not is_left_over(folder))
    if not names:
        raise UserError(
            f"{inference_dir}: no embeddings in it (<set>/audio_embeddings.npy). Run stage 6 first."
        )
    if wanted is None:
        return names
    missing = sorted(set(wanted) - set(names))
    if missing:
        raise UserError(
            f"--sets {' '.join(missing)}: no embeddings in {inference_dir}, which has {', '.join(names)}. "
            "Run stage 6 first."
        )
    return sorted(set(wanted))


def find_results_in(experiment_dir: Union[str, Path]) -> List[Path]:
    """Folders of results (with scores.json) in an experiment's folder, sorted.

    What a training that started again has put aside (`outdated`, `outdated_2`, ...) is not among them.
    """
    folders = (file.parent for file in Path(experiment_dir).glob("*/scores.json"))
    return sorted(
        folder
        for folder in folders
        if not (is_left_over(folder) or _OUTDATED.fullmatch(folder.name))
    )


def write_scores(path: Union[str, Path], scores: AllScores) -> None:
    """Write scores.json, atomically."""
    whole = {
        name: {
            **entries,
            **({_CONSISTENCY: entries.consistency} if entries.consistency else {}),
            _SOURCE: entries.source_lang,
            _MEAN: mean_of_languages(entries),
        }
        for name, entries in scores.items()
    }
    with atomic_open(path) as file:
        json.dump(whole, file, indent=1)
        file.write("\n")


def read_scores(path: Union[str, Path]) -> AllScores:
    """Read scores.json.

    Args:
        path: the file, or the folder that it is in.

    Returns:
        The languages of each set; `mean_of_languages` gives "mean" again.

    Raises:
        UserError: missing, not JSON, or of another layout; names what is missing.
    """
    path = Path(path)
    if path.is_dir():
        path = path / "scores.json"
    try:
        scores = read_json(path)
    except UserError as error:
        raise UserError(f"{error} Run stage 7 first.") from error
    if not isinstance(scores, dict) or not scores:
        raise UserError(f"{path}: must hold scores by test set and language. Run stage 7 again.")
    return {name: _read_set(entries, f"{path}: {name}") for name, entries in scores.items()}


def _read_set(entries: Any, where: str) -> SetScores:
    if not isinstance(entries, dict) or not isinstance(entries.get(_SOURCE), str):
        raise UserError(f"{where} has no {_SOURCE!r}. Run stage 7 again.")
    source_lang = entries.pop(_SOURCE)
    entries.pop(_MEAN, None)
    consistency = entries.pop(_CONSISTENCY, None)
    for lang, entry in entries.items():
        for key in ("clips", "captions", *DIRECTIONS):
            if not isinstance(entry, dict) or key not in entry:
                raise UserError(f"{where}/{lang} has no {key!r}. Run stage 7 again.")
        check_types(entry, _TYPES, f"{where}/{lang}")
        for direction in DIRECTIONS:
            check_types(
                entry[direction], dict.fromkeys(METRICS, float), f"{where}/{lang}/{direction}"
            )
    return SetScores(source_lang, entries, consistency)


def mean_of_others(scores: SetScores, direction: str) -> Dict[str, float]:
    """Mean of each metric over the languages other than the source; empty where there are none."""
    others = [entry[direction] for lang, entry in scores.items() if lang != scores.source_lang]
    if not others or scores.source_lang not in scores:
        return {}
    return {key: sum(entry[key] for entry in others) / len(others) for key in others[0]}
