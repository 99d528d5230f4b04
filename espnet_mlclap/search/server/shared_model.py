"""A model that many clients ask at once."""

import threading
from collections import OrderedDict
from typing import List, Protocol, Sequence, Tuple

import numpy as np

from espnet_mlclap.search.together import Together

_Text = Tuple[str, str]  # words and their language

_TOGETHER = 32  # questions whose texts are embedded in one batch
_REMEMBERED = 2000  # texts; 8 MB at a width of 1024


class ServedModel(Protocol):
    """What the server needs of a model: `MLCLAP`, or anything like it."""

    @property
    def embed_size(self) -> int: ...

    @property
    def languages(self) -> List[str]: ...

    @property
    def trained_languages(self) -> List[str]: ...

    def encode_text(self, captions: Sequence[str], lang: Sequence[str]) -> np.ndarray: ...

    def encode_audio(self, audio: Sequence[dict], *, show_progress: bool) -> np.ndarray: ...


class SharedModel:
    """A model for several threads, one of which computes at a time: two would only hinder each other.

    Texts that come at the same time are embedded in one batch (in another batch the last bits of a vector
    may be others), and the vectors of the last texts are remembered: who turns a page does not wait.

    Args:
        model: the model.
    """

    def __init__(self, model: ServedModel):
        self._model, self._computes = model, threading.Lock()
        self._embed = Together(self._embed_all, _TOGETHER)
        self._remembered: OrderedDict[_Text, np.ndarray] = OrderedDict()
        self._remembers = threading.Lock()

    @property
    def embed_size(self) -> int:
        return self._model.embed_size

    def encode_text(self, captions: Sequence[str], lang: str) -> np.ndarray:
        """Unit vectors [captions, E] of captions in one language; errors are those of the model."""
        texts = [(caption, lang) for caption in captions]
        with self._remembers:
            known = [self._remembered.get(text) for text in texts]
            for text, vector in zip(texts, known):
                if vector is not None:
                    self._remembered.move_to_end(text)
        new = [text for text, vector in zip(texts, known) if vector is None]
        if new:
            made = iter(self._embed(new))
            known = [next(made) if vector is None else vector for vector in known]
        return np.stack([vector for vector in known if vector is not None])

    def _embed_all(self, questions: Sequence[Sequence[_Text]]) -> List[np.ndarray]:
        """Vectors [texts, E] of each question's texts."""
        texts = [text for question in questions for text in question]
        with self._computes:
            vectors = self._model.encode_text(*map(list, zip(*texts)))
        with self._remembers:
            self._remembered.update(zip(texts, map(np.copy, vectors)))
            while len(self._remembered) > _REMEMBERED:
                self._remembered.popitem(last=False)
        ends = np.cumsum([len(question) for question in questions])
        return np.split(vectors, ends[:-1])

    def encode_audio(self, audio: Sequence[dict], *, show_progress: bool) -> np.ndarray:
        """As the model does."""
        with self._computes:
            return self._model.encode_audio(audio, show_progress=show_progress)
