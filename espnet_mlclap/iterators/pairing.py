"""Originals and the translations that were made from them, kept together."""

from typing import Dict, Sequence

import numpy as np

from espnet_mlclap.fileio.columns import find_ids
from espnet_mlclap.utils.errors import UserError


class Pairing:
    """Translations by the original that they were made from.

    Positions count all captions: the originals, then the translations, each in the order of their ids.

    Args:
        originals: ids, sorted, [o] bytes.
        sources: id of the original of each translation, [t] bytes; empty where it is not known.
        translation_langs: the language of each, as its place in `langs`, [t].
        langs: sorted.

    Attributes:
        missing: number of originals that have no translation into a language, by language.
        unknown: number of translations of which it is not known what they were made from; they are left out.

    Raises:
        UserError: that is known of none, or there is none.
    """

    def __init__(
        self,
        originals: np.ndarray,
        sources: np.ndarray,
        translation_langs: np.ndarray,
        langs: Sequence[str],
    ):
        if not len(sources):
            raise UserError("le_pairing: there are no translations. Set it to mixture.")
        rows = find_ids(originals, sources)
        known = np.flatnonzero(rows >= 0)
        self.unknown = len(rows) - len(known)
        if not len(known):
            raise UserError(
                "le_pairing: nothing says which captions the translations were made from (utt2source beside "
                "them). Let stage 2 make them again, or set le_pairing: mixture."
            )
        order = known[np.lexsort((translation_langs[known], rows[known]))]
        self._others = (len(originals) + order).astype(np.int32)
        self._starts = np.searchsorted(rows[order], np.arange(len(originals) + 1))
        pairs = np.unique(rows[known] * len(langs) + translation_langs[known])
        have = np.bincount(pairs % len(langs), minlength=len(langs))
        self.missing: Dict[str, int] = {
            langs[number]: len(originals) - int(have[number])
            for number in np.unique(translation_langs)
            if have[number] < len(originals)
        }

    def of(self, original: int) -> np.ndarray:
        """Positions of all translations of one original, by language."""
        return self._others[self._starts[original] : self._starts[original + 1]]

    def all(self, originals: np.ndarray) -> np.ndarray:
        """Positions of all translations of originals, in any order."""
        starts = self._starts[originals]
        counts = self._starts[originals + 1] - starts
        inside = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        return self._others[np.repeat(starts, counts) + inside]

    def one(self, originals: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        """Position of one translation of each original, drawn evenly; -1 where there is none."""
        starts = self._starts[originals]
        counts = self._starts[originals + 1] - starts
        picks = generator.random(len(originals))
        places = np.minimum(starts + (picks * counts).astype(int), len(self._others) - 1)
        return np.where(counts > 0, self._others[places], -1)
