"""Originals and the translations that were made from them, kept together."""

from collections import Counter
from typing import Dict, List, Mapping, Sequence, Tuple

import numpy as np

from espnet_mlclap.fileio.data_dir import Caption
from espnet_mlclap.utils.errors import UserError


class Pairing:
    """Translations by the original that they were made from.

    Args:
        originals: captions by id.
        translations: translated captions by id.
        sources: id of the original by id of the translation.

    Attributes:
        missing: number of originals that have no translation into a language, by language.
        unknown: number of translations of which it is not known what they were made from; they are left out.

    Raises:
        UserError: that is known of none, or there is none.
    """

    def __init__(
        self,
        originals: Mapping[str, Caption],
        translations: Mapping[str, Caption],
        sources: Mapping[str, str],
    ):
        self._of: Dict[str, Tuple[str, ...]] = dict.fromkeys(originals, ())
        self.unknown = 0
        for key in sorted(translations, key=lambda key: (translations[key].lang, key)):
            source = sources.get(key)
            if source in self._of:
                self._of[source] += (key,)
            else:
                self.unknown += 1
        if not translations:
            raise UserError("le_pairing: there are no translations. Set it to mixture.")
        if self.unknown == len(translations):
            raise UserError(
                "le_pairing: nothing says which captions the translations were made from (utt2source beside "
                "them). Let stage 2 make them again, or set le_pairing: mixture."
            )
        langs = {key: caption.lang for key, caption in translations.items()}
        have = Counter(lang for keys in self._of.values() for lang in {langs[key] for key in keys})
        self.missing = {
            lang: len(self._of) - have[lang]
            for lang in sorted(set(langs.values()))
            if have[lang] < len(self._of)
        }

    def all(self, originals: Sequence[str]) -> List[Tuple[str, ...]]:
        """All translations of each original."""
        return [self._of[key] for key in originals]

    def one(
        self, originals: Sequence[str], generator: np.random.Generator
    ) -> List[Tuple[str, ...]]:
        """One translation of each original, drawn evenly; none where there is none."""
        picks = generator.random(len(originals))
        found = self.all(originals)
        return [keys and (keys[int(pick * len(keys))],) for keys, pick in zip(found, picks)]
