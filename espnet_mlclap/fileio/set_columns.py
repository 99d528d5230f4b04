"""The columns of a data directory, each as it is computed from what the files of text say.

Computed for all captions at once, or for some thousand of them at a time, which gives the same columns.
"""

from typing import Dict, Mapping, Sequence

import numpy as np

from espnet_mlclap.fileio.columns import Texts, hash63, id_array


def of_captions(
    keys: Sequence[str],
    texts: Sequence[str],
    owners: Sequence[str],
    langs: Sequence[str],
    *,
    row_of_clip: Mapping[str, int],
    number_of_lang: Mapping[str, int],
) -> Dict[str, np.ndarray]:
    """Columns of captions in the order of their ids.

    Args:
        keys, texts, owners, langs: id, words, clip and language of each caption.
        row_of_clip, number_of_lang: how the columns count clips and languages.

    Raises:
        KeyError: a clip that is not among them.
    """
    packed = Texts.pack(texts)
    numbers = [number_of_lang[lang] for lang in langs]
    words = [hash63(f"{lang}\n{text}") for lang, text in zip(langs, texts)]
    return {
        "caption_ids": id_array(keys),
        "caption_clips": np.array([row_of_clip[owner] for owner in owners], dtype=np.int32),
        "caption_langs": np.array(numbers, dtype=np.int16),
        "caption_words": np.array(words, dtype=np.int64),
        "text": packed.data,
        "text_ends": packed.ends,
    }


def captions_of_clips(caption_clips: np.ndarray, clips: int) -> Dict[str, np.ndarray]:
    """Columns of the captions of each of some clips, given the clip of each caption."""
    counts = np.bincount(caption_clips, minlength=clips)
    return {
        "clip_starts": np.concatenate([[0], np.cumsum(counts)]),
        "clip_rows": np.argsort(caption_clips, kind="stable").astype(np.int32),
    }


def of_locations(locations: Sequence[str]) -> Dict[str, np.ndarray]:
    """Columns of where the audio of clips is."""
    places = Texts.pack(locations)
    return {"locations": places.data, "location_ends": places.ends}


def of_samples(samples: Sequence[str]) -> Dict[str, np.ndarray]:
    """Columns of the lengths of clips."""
    return {"lengths": np.array([float(one) for one in samples])}
