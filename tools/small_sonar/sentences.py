"""Parallel sentences from the grammar of the mini corpus."""

import numpy as np

from espnet_mlclap.corpora.mini.grammar import LANGUAGES, STYLES, caption
from espnet_mlclap.corpora.mini.scenes import sample_scene


def sample_sentences(
    number: int, part: str, event_weights: list[float], mark_probability: float, seed: int
) -> list[dict[str, str]]:
    """Draw different sentences from one part of the mini corpus.

    Args:
        number: how many.
        part: "train" for training; the combinations of sounds in "test" are unseen then.
        event_weights, mark_probability: see `espnet_mlclap.corpora.mini.scenes.sample_scene`.

    Returns:
        Translations of each sentence by language.
    """
    rng = np.random.default_rng(seed)
    found: dict[tuple, dict[str, str]] = {}
    while len(found) < number:
        scene = sample_scene(rng, part, event_weights, mark_probability)
        style = int(rng.integers(STYLES))
        found[scene, style] = {lang: caption(scene, lang, style) for lang in LANGUAGES}
    return list(found.values())
