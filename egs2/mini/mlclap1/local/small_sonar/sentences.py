"""Parallel sentences from the grammar of the mini corpus, with what they mean."""

from dataclasses import dataclass

import numpy as np

from mini_corpus.grammar import LANGUAGES, STYLES, caption
from mini_corpus.scenes import (
    COUNTS,
    LOUDNESS,
    MAX_EVENTS,
    PACES,
    SOURCES,
    STRUCTURES,
    Scene,
    sample_scene,
)

_SHAPES = [shape for shapes in STRUCTURES.values() for shape in shapes]
_SOURCES = (None, *SOURCES)
_LOUDNESS = (None, *LOUDNESS)
_REPETITION = (None, *PACES, *COUNTS)
# How many values each number of `Sentence.meaning` can take.
MEANING_SIZES = (
    STYLES,
    len(_SHAPES),
    *(len(_SOURCES), len(_LOUDNESS), len(_REPETITION)) * MAX_EVENTS,
)


@dataclass(frozen=True)
class Sentence:
    """A caption in every language.

    Attributes:
        captions: by language.
        meaning: the style, how events are grouped, and of the first, second and third event what
            sounds, how loud, and how fast or often; all as numbers (see MEANING_SIZES).
    """

    captions: dict[str, str]
    meaning: tuple[int, ...]


def _meaning(scene: Scene, style: int) -> tuple[int, ...]:
    numbers = [style, _SHAPES.index(tuple(len(group) for group in scene.groups))]
    for event in scene.events:
        numbers.append(_SOURCES.index(event.source))
        numbers.append(_LOUDNESS.index(event.loudness))
        numbers.append(_REPETITION.index(event.pace or event.count))
    return tuple(numbers + [0] * (len(MEANING_SIZES) - len(numbers)))


def sample_sentences(
    number: int, part: str, event_weights: list[float], mark_probability: float, seed: int
) -> list[Sentence]:
    """Draw different sentences from one part of the mini corpus.

    Args:
        number: how many.
        part: "train" for training; the combinations of sounds in "test" are unseen then.
        event_weights, mark_probability: see `mini_corpus.scenes.sample_scene`.
    """
    rng = np.random.default_rng(seed)
    found: dict[tuple, Sentence] = {}
    while len(found) < number:
        scene = sample_scene(rng, part, event_weights, mark_probability)
        style = int(rng.integers(STYLES))
        captions = {lang: caption(scene, lang, style) for lang in LANGUAGES}
        found[scene, style] = Sentence(captions, _meaning(scene, style))
    return list(found.values())
