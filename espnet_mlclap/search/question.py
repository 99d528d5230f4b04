"""What is looked for: words, words that must not fit, recordings, windows of the library, or all of these."""

from dataclasses import dataclass
from typing import List, Optional, Protocol, Sequence, Tuple

import numpy as np

from espnet_mlclap.search.hits import Hit, collect
from espnet_mlclap.search.rerank import Reranker
from espnet_mlclap.search.stores.abs_store import EVERYTHING, AbsStore, Found, Where
from espnet_mlclap.search.windows import Window
from espnet_mlclap.utils.errors import UserError


class Model(Protocol):
    """What searching needs of a model: `MLCLAP`, or anything like it."""

    @property
    def embed_size(self) -> int: ...

    def encode_text(self, captions: Sequence[str], lang: str) -> np.ndarray: ...

    def encode_audio(self, audio: Sequence[dict], *, show_progress: bool) -> np.ndarray: ...


@dataclass(frozen=True)
class Question:
    """What is looked for. The vectors of all parts are added, those of `minus` subtracted.

    Attributes:
        words: what it sounds like.
        minus: what it does not sound like.
        lang: FLORES-200 code of both.
        sounds: recordings that it sounds like, as windows; several of one recording count together as one.
        like: ids of windows in the library that it sounds like.
    """

    words: Tuple[str, ...] = ()
    minus: Tuple[str, ...] = ()
    lang: str = "eng_Latn"
    sounds: Tuple[Tuple[Window, ...], ...] = ()
    like: Tuple[int, ...] = ()


@dataclass(frozen=True)
class Answer:
    """How the answer is put together.

    Attributes:
        top: hits.
        min_similarity: of hits; None: no limit.
        one_per_recording: only the best hit of each recording.
        margin: windows next to each other whose similarities differ less are one hit.
        where: which recordings.
        reranker: puts what was found for words in order; None: similarity does.
    """

    top: int = 10
    min_similarity: float = -1.0
    one_per_recording: bool = False
    margin: float = 0.05
    where: Where = EVERYTHING
    reranker: Optional[Reranker] = None


def question_vector(question: Question, model: Model, store: AbsStore) -> np.ndarray:
    """The unit vector [E] of a question.

    Raises:
        UserError: nothing to look for, a window that is not in the library, an unknown language, or parts
            that cancel each other out.
    """
    parts: List[np.ndarray] = []
    texts = [*question.words, *question.minus]
    if texts:
        vectors = model.encode_text(texts, question.lang)
        parts += list(vectors[: len(question.words)])
        parts += list(-vectors[len(question.words) :])
    for windows in question.sounds:
        parts.append(_unit(encode_windows(model, windows).sum(axis=0)))
    for window in question.like:
        found = store.find(window)
        if found is None:
            raise UserError(f"window {window}: not in the library any more. Ask again without it.")
        parts.append(found[3])
    if not parts:
        raise UserError("nothing to look for: give words, or a recording.")
    return _unit(np.sum(parts, axis=0))


def encode_windows(model: Model, windows: Sequence[Window]) -> np.ndarray:
    """Unit vectors [n, E] of windows."""
    return model.encode_audio(
        [{"array": window.samples, "sampling_rate": window.rate} for window in windows],
        show_progress=False,
    )


def ask(question: Question, answer: Answer, model: Model, store: AbsStore) -> List[Hit]:
    """The hits of a question, the best first. Windows that it asks for more like are not among them."""
    vector = question_vector(question, model, store)
    asked = {}
    for window in question.like:
        found = store.find(window)
        if found is not None:
            asked[found[0].id] = (*asked.get(found[0].id, ()), found[1:3])

    def is_new(found: Found) -> bool:
        return all(
            found.end <= start or found.start >= end
            for start, end in asked.get(found.recording.id, ())
        )

    only_words = not (question.minus or question.sounds or question.like)
    reranker = answer.reranker if only_words else None
    hits = collect(
        lambda top: store.search(vector, top, answer.where),
        answer.top if reranker is None else max(answer.top, reranker.top),
        min_similarity=answer.min_similarity,
        one_per_recording=answer.one_per_recording,
        margin=answer.margin,
        keep=is_new,
    )
    if reranker is not None:
        hits = reranker(" ".join(question.words), question.lang, hits)
    return hits[: answer.top]


def _unit(vector: np.ndarray) -> np.ndarray:
    length = np.linalg.norm(vector)
    if length < 1e-6:
        raise UserError("what is looked for and what is not cancel each other out; change one.")
    return (vector / length).astype(np.float32)
