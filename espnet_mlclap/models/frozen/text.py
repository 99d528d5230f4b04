"""Text encoder `frozen`: sentence vectors of any encoder, computed once and read from disk afterwards."""

import hashlib
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

import numpy as np
from torch import Tensor

from espnet_mlclap.models.frozen.encoder import (
    CachedVectors,
    FrozenEncoder,
    check_version,
    exported,
)
from espnet_mlclap.models.text_encoder.abs_text_encoder import AbsTextEncoder, Tokenizer
from espnet_mlclap.models.tokens import Tokens, length_mask
from espnet_mlclap.utils.errors import UserError

_WHERE = "text_encoder_conf of frozen"


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

    def prepare(self, captions: Sequence[Tuple[str, str]]) -> None:
        if self._vectors.store is not None:
            self.many(captions)

    def many(self, captions: Sequence[Tuple[str, str]]) -> List[np.ndarray]:
        """[tokens, D] float32 for each (caption, language); what is missing is encoded in batches.

        Raises:
            UserError: a language that the encoder does not know.
        """
        encoder = self._vectors.encoder
        for lang in {lang for _, lang in captions} - set(self.langs) if self.langs else ():
            raise UserError(
                f"the text encoder {encoder.name} does not know the language {lang!r}; it has "
                f"{' '.join(self.langs)}"
            )
        # an encoder that does not know the language gives equal captions equal vectors
        by_lang = encoder.needs_lang
        keys = [key_of_caption(text, lang if by_lang else "") for text, lang in captions]

        def compute(positions: List[int]) -> Sequence[np.ndarray]:
            texts = [captions[position][0] for position in positions]
            more = [[captions[position][1] for position in positions]] if by_lang else []
            return self._vectors.encode(texts, *more)

        return self._vectors(keys, compute, "captions")


def key_of_caption(text: str, lang: str) -> bytes:
    """A hash of a caption in a language; "" where the language does not matter."""
    return hashlib.sha256(f"{lang}\n{text}".encode()).digest()


class FrozenTextEncoder(AbsTextEncoder):
    """Vectors of captions by an encoder that is not trained: one token per caption, or its tokens.

    Args:
        encoder: `package.module:Class` or a short name; see `espnet_mlclap.models.frozen.encoder`.
        options: arguments of that class.
        store: folder in which vectors are kept; None: they are computed again by every process.
        store_dtype: "float32" or "float16".
        batch_size: captions that the encoder gets at once.
        langs: FLORES-200 codes that the encoder knows, where that should be checked.
        version: of the encoder that a model was trained with; another one that is installed is refused.
        tokens: take the encoder's tokens (`encode_tokens`) instead of its vectors, for co-attention.

    Raises:
        UserError: the encoder cannot be loaded, or is of another version.
    """

    cache_paths = ("store",)

    def __init__(
        self,
        *,
        encoder: str,
        options: Optional[Mapping[str, Any]] = None,
        store: Optional[str] = None,
        store_dtype: str = "float32",
        batch_size: int = 64,
        langs: Optional[Sequence[str]] = None,
        version: Optional[str] = None,
        tokens: bool = False,
    ):
        super().__init__()
        self.gives_tokens = tokens
        self.encoder = FrozenEncoder(encoder, options, _WHERE)
        check_version(self.encoder, version)
        probe = (["a"], ["eng_Latn"]) if self.encoder.needs_lang else (["a"],)
        call = self.encoder.encode_tokens if tokens else self.encoder.encode
        self._size = call(*probe)[0].shape[-1]
        vectors = CachedVectors(
            self.encoder,
            size=self._size,
            folder=store,
            dtype=store_dtype,
            batch_size=batch_size,
            description={"kind": "text", **self.encoder.describe()},
            tokens=tokens,
        )
        self.tokenizer = CaptionVectors(vectors, langs)
        self._conf = {
            "encoder": encoder,
            "options": dict(options or {}),
            "store": store,
            "store_dtype": store_dtype,
            "batch_size": batch_size,
            "langs": None if langs is None else list(langs),
            "tokens": tokens,
        }

    def output_size(self) -> int:
        return self._size

    def forward(self, text: Tensor, text_lengths: Tensor) -> Tokens:
        # text: [captions, tokens, D]: the vectors, or tokens, themselves
        if not self.gives_tokens:
            return Tokens(text)
        return Tokens(text, length_mask(text_lengths.to(text.device), text.shape[1]))

    def export(self, folder: Path) -> Dict[str, Any]:
        return exported(self._conf, self.encoder, folder)
