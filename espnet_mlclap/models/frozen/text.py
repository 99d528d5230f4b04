"""Text encoder `frozen`: sentence vectors of any encoder, computed once and read from disk afterwards."""

import hashlib
from typing import Any, Iterable, List, Optional, Sequence, Tuple

import numpy as np

from espnet_mlclap.models.frozen.encoder import CachedVectors
from espnet_mlclap.models.frozen.part import FrozenPart
from espnet_mlclap.models.text_encoder.abs_text_encoder import AbsTextEncoder, Tokenizer
from espnet_mlclap.utils.errors import UserError


class CaptionVectors(Tokenizer):
    """Takes the tokenizer's place: a caption becomes its vector, as one token of width D, or its
    tokens.

    Args:
        vectors: the encoder and its store.
        langs: FLORES-200 codes that the encoder knows; None: not stated, any will do.
    """

    pad_id = 0

    def __init__(self, vectors: CachedVectors, langs: Optional[Sequence[str]]):
        self._vectors = vectors
        self.langs = list(langs or [])

    def __call__(self, caption: str, lang: str) -> np.ndarray:
        """[tokens, D] float32."""
        return self.many([(caption, lang)])[0]

    def prepare(self, captions: Iterable[Tuple[str, str]]) -> None:
        self._vectors.prepare(captions, self._keys, self._encoded, "captions")

    def many(self, captions: Sequence[Tuple[str, str]]) -> List[np.ndarray]:
        """[tokens, D] float32 for each (caption, language); what is missing is encoded in batches.

        Raises:
            UserError: a language that the encoder does not know.
        """
        return self._vectors(captions, self._keys, self._encoded, "captions")

    def _keys(self, captions: Sequence[Tuple[str, str]]) -> List[bytes]:
        encoder = self._vectors.encoder
        for lang in {lang for _, lang in captions} - set(self.langs) if self.langs else ():
            raise UserError(
                f"the text encoder {encoder.name} does not know the language {lang!r}; it has "
                f"{' '.join(self.langs)}"
            )
        # an encoder that does not know the language gives equal captions equal vectors
        by_lang = encoder.needs_lang
        return [key_of_caption(text, lang if by_lang else "") for text, lang in captions]

    def _encoded(self, captions: Sequence[Tuple[str, str]]) -> Sequence[np.ndarray]:
        more = [[lang for _, lang in captions]] if self._vectors.encoder.needs_lang else []
        return self._vectors.encode([text for text, _ in captions], *more)


def key_of_caption(text: str, lang: str) -> bytes:
    """A hash of a caption in a language; "" where the language does not matter."""
    return hashlib.sha256(f"{lang}\n{text}".encode()).digest()


class FrozenTextEncoder(FrozenPart, AbsTextEncoder):
    """Vectors of captions by an encoder that is not trained: one token per caption, or its tokens.

    Args:
        langs: FLORES-200 codes that the encoder knows, where that should be checked.
        batch_size, frozen: the arguments of `FrozenPart`.

    Raises:
        UserError: the encoder cannot be loaded, or is of another version.
    """

    where = "text_encoder_conf of frozen"

    def __init__(
        self, *, langs: Optional[Sequence[str]] = None, batch_size: int = 64, **frozen: Any
    ):
        super().__init__(batch_size=batch_size, **frozen)
        probe = [["a"], ["eng_Latn"]] if self.encoder.needs_lang else [["a"]]
        self.tokenizer = CaptionVectors(self._cached(probe, kind="text"), langs)
        self._conf["langs"] = None if langs is None else list(langs)
