"""Checks that find bad translations without a reference, and chrF where there is one."""

import logging
import re
import statistics
from dataclasses import dataclass
from typing import Callable, Dict, List, Mapping, Optional, Sequence, Tuple

import numpy as np

from espnet_mlclap.fileio.data_dir import Caption
from espnet_mlclap.language_enhancement.captions import Task, same_number
from espnet_mlclap.language_enhancement.scripts import script_share, words
from espnet_mlclap.utils.errors import UserError
from espnet_mlclap.utils.progress import progress, progress_bar

# Sentences and their language to embeddings [sentences, width].
Embed = Callable[[Sequence[str], str], np.ndarray]

# What can be wrong with a translation, in the order in which it is reported.
PROBLEMS: Dict[str, str] = {
    "empty": "there is no translation",
    "unknown": "it holds the mark of an unknown token",
    "script": "too few letters are in the script of the language",
    "copied": "too many words are copied from the source",
    "same": "a paraphrase of the very words of its source",
    "repeated": "the same words come again and again",
    "length": "unusually short or long for this pair of languages",
    "cosine": "far from the source in SONAR space",
}
_UNKNOWN_MARK = "⁇"  # what sentencepiece writes for an unknown token
# Characters added to both lengths before they are compared, for a word or two may well be three times as
# long in another language ("Rain is falling." is "Plou." in Catalan).
_SHORT = 10
_AT_A_TIME = 4096  # translations whose embeddings are in memory together


@dataclass(frozen=True)
class QualityConfig:
    """Thresholds; None switches a check off.

    Attributes:
        filter: leave translations with a problem out; otherwise they are only reported.
        encoder: fairseq2 asset name of a SONAR encoder for the cosine; None: that of the translator,
            if it has one.
        min_cosine: between source and translation.
        max_length_ratio: how many times longer or shorter, in characters, than the median of the
            language.
        max_repeats: how often the same words may come one after the other, unless they do in the
            source.
        max_copied_words: share of the translation's words that are in the source. Close languages
            share many words: a language whose median share is half of this or more is not checked (unless
            it is 1: copies of the source).
        min_script: share of the letters in the script of the language.
        worst_examples: shown for each language.
    """

    filter: bool
    encoder: Optional[str]
    min_cosine: Optional[float]
    max_length_ratio: Optional[float]
    max_repeats: Optional[int]
    max_copied_words: Optional[float]
    min_script: Optional[float]
    worst_examples: int

    def __post_init__(self) -> None:
        bounds = {
            "min_cosine": (-1.0, 1.0),
            "max_length_ratio": (1.0, float("inf")),
            "max_repeats": (1, float("inf")),
            "max_copied_words": (0.0, 1.0),
            "min_script": (0.0, 1.0),
            "worst_examples": (0, float("inf")),
        }
        for name, (low, high) in bounds.items():
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                raise UserError(f"{name} must be {low} to {high}, not {value}")


@dataclass(frozen=True)
class CheckedTranslation:
    """A translation and what was found out about it.

    Attributes:
        task: what was to be translated.
        text: the translation.
        length_ratio: characters of the translation / characters of the source, each with a few added
            so that short captions may differ more.
        copied_words: share of the translation's words that are in the source.
        cosine: of the two in SONAR space; None without an encoder.
        problems: keys of `PROBLEMS`.
    """

    task: Task
    text: str
    length_ratio: float
    copied_words: float
    cosine: Optional[float]
    problems: Tuple[str, ...]

    def is_kept(self, config: QualityConfig) -> bool:
        """Whether it is among the captions that are written."""
        return bool(self.text) and not (config.filter and self.problems)


def check_translations(
    pairs: Sequence[Tuple[Task, str]], config: QualityConfig, embed: Optional[Embed] = None
) -> List[CheckedTranslation]:
    """Check every translation.

    Args:
        pairs: tasks and their translations.
        config: thresholds.
        embed: SONAR's text encoder; without it there is no cosine.

    Returns:
        One result per pair, in the same order.
    """
    ratios = [(len(text) + _SHORT) / (len(task.source.text) + _SHORT) for task, text in pairs]
    shares = [copied_share(task.source, text, task.lang) for task, text in pairs]
    medians, usual_shares = _medians(pairs, ratios), _medians(pairs, shares)
    most_copied = config.max_copied_words
    close = set()
    if most_copied is not None:
        translated = {task.lang for task, _ in pairs if task.lang != task.source.lang}
        close = {
            lang
            for lang, usual in usual_shares.items()
            if lang in translated and most_copied / 2 <= usual < 1.0
        }
    for lang in sorted(close):
        logging.warning(
            "translations into %s usually share %.0f %% of their words with the source, so that copies are "
            "not left out. If the two languages are not close, the translator does not translate.",
            lang,
            100 * usual_shares[lang],
        )
    cosines = _cosines(pairs, embed) if embed else [None] * len(pairs)
    results = []
    items = progress(zip(pairs, ratios, shares, cosines), "checking", len(pairs), "translations")
    for (task, text), ratio, share, cosine in items:
        found = []
        if not text:
            found.append("empty")
        else:
            found += problems_of_text(task.source, text, task.lang, config)
            rewritten = task.lang == task.source.lang
            if rewritten and words(text, task.lang) == words(task.source.text, task.lang):
                found.append("same")
            checks_copies = most_copied is not None and task.lang not in close and not rewritten
            if checks_copies and (share > most_copied or share == 1.0):
                found.append("copied")
            off = max(ratio / medians[task.lang], medians[task.lang] / ratio)
            if config.max_length_ratio is not None and off > config.max_length_ratio:
                found.append("length")
            if cosine is not None and config.min_cosine is not None and cosine < config.min_cosine:
                found.append("cosine")
        results.append(CheckedTranslation(task, text, ratio, share, cosine, tuple(found)))
    return results


def _medians(pairs: Sequence[Tuple[Task, str]], values: Sequence[float]) -> Dict[str, float]:
    """The median of the values of each language's translations that are not empty."""
    by_lang: Dict[str, List[float]] = {}
    for (task, text), value in zip(pairs, values):
        if text:
            by_lang.setdefault(task.lang, []).append(value)
    return {lang: statistics.median(group) for lang, group in by_lang.items()}


def copied_share(source: Caption, text: str, lang: str) -> float:
    """Share of the translation's words that are also in the source; 0 where there is no word."""
    present, translated = set(words(source.text, source.lang)), words(text, lang)
    return sum(word in present for word in translated) / max(1, len(translated))


def problems_of_text(source: Caption, text: str, lang: str, config: QualityConfig) -> List[str]:
    """Problems that show in one source and its translation alone (not empty)."""
    found = []
    if _UNKNOWN_MARK in text:
        found.append("unknown")
    if config.min_script is not None and script_share(text, lang) < config.min_script:
        found.append("script")
    source_words, target_words = words(source.text, source.lang), words(text, lang)
    most = config.max_repeats
    if most is not None and _is_stuck(target_words, most) and not _is_stuck(source_words, most):
        found.append("repeated")
    return found


def _is_stuck(found_words: Sequence[str], most: int) -> bool:
    # Words, and letters within words: a model that got stuck may not write spaces any more.
    return repeats(found_words, most) or repeats("".join(found_words), most)


def repeats(units: Sequence[str], most: int) -> bool:
    """Whether some unit, or some group of units, comes more than `most` times one after the other.

    Args:
        units: words, or a text whose units are its characters.
        most: how often is not too often.
    """
    text = units
    if not isinstance(text, str):
        # Each distinct word becomes one character, so that a regular expression can look for groups.
        alphabet: Dict[str, str] = {}
        text = "".join(alphabet.setdefault(word, chr(0xF0000 + len(alphabet))) for word in units)
    return re.search(rf"(.+?)\1{{{most},}}", text) is not None


def chrf(
    checked: Sequence[CheckedTranslation], references: Mapping[str, Caption]
) -> Dict[str, Dict[str, float]]:
    """chrF of the translations that have a reference: the caption of the same clip and number.

    Args:
        checked: translations.
        references: given translations by caption id `<clip id>-<lang>-<n>`.

    Returns:
        For each language that has references {"chrF": per cent, "captions": how many}.

    Raises:
        UserError: sacrebleu is not installed.
    """
    try:
        import sacrebleu
    except ImportError as error:
        raise UserError("chrF needs sacrebleu. Install it: pip install sacrebleu.") from error

    texts: Dict[str, Tuple[List[str], List[str]]] = {}
    for item in checked:
        key = same_number(item.task.source_key, item.task.source, item.task.lang)
        if key in references:
            hypotheses, expected = texts.setdefault(item.task.lang, ([], []))
            hypotheses.append(item.text)
            expected.append(references[key].text)
    return {
        lang: {
            "chrF": round(sacrebleu.corpus_chrf(hypotheses, [expected]).score, 2),
            "captions": len(hypotheses),
        }
        for lang, (hypotheses, expected) in sorted(texts.items())
    }


def _cosines(pairs: Sequence[Tuple[Task, str]], embed: Embed) -> List[Optional[float]]:
    """Cosines of sources and translations; only the embeddings of the sources are all in memory."""
    cosines: List[Optional[float]] = [None] * len(pairs)
    by_source_lang: Dict[str, Dict[str, List[int]]] = {}
    for number, (task, text) in enumerate(pairs):
        if text:
            by_lang = by_source_lang.setdefault(task.source.lang, {})
            by_lang.setdefault(task.lang, []).append(number)
    for source_lang, by_lang in by_source_lang.items():
        numbers = [number for group in by_lang.values() for number in group]
        texts = sorted({pairs[number][0].source.text for number in numbers}, key=_by_length)
        rows = {text: row for row, text in enumerate(texts)}
        sources: Optional[np.ndarray] = None
        with progress_bar("cosine", len(texts) + len(numbers), "captions") as bar:
            for start in range(0, len(texts), _AT_A_TIME):
                part = _unit_rows(embed(texts[start : start + _AT_A_TIME], source_lang))
                if sources is None:
                    sources = np.empty((len(texts), part.shape[1]), np.float32)
                sources[start : start + len(part)] = part
                bar.update(len(part))
            for lang, group in by_lang.items():
                group.sort(key=lambda number: _by_length(pairs[number][1]))
                for start in range(0, len(group), _AT_A_TIME):
                    chosen = group[start : start + _AT_A_TIME]
                    distinct = list(dict.fromkeys(pairs[number][1] for number in chosen))
                    unit = dict(zip(distinct, _unit_rows(embed(distinct, lang))))
                    for number in chosen:
                        task, text = pairs[number]
                        cosines[number] = float(sources[rows[task.source.text]] @ unit[text])
                    bar.update(len(chosen))
    return cosines


def _by_length(text: str) -> Tuple[int, str]:
    return len(text), text


def _unit_rows(embeddings: np.ndarray) -> np.ndarray:
    rows = np.asarray(embeddings, np.float32)
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
