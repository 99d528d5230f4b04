"""What a search has found, put in order by a model that looks at words and sound together."""

import logging
from dataclasses import dataclass, replace
from typing import List, Protocol, Sequence

from espnet_mlclap.fileio.audio import AudioError
from espnet_mlclap.search.hits import Hit
from espnet_mlclap.search.windows import Window, read_span


class _Ranked(Protocol):
    @property
    def index(self) -> int: ...

    @property
    def score(self) -> float: ...


class PairModel(Protocol):
    """Scores words with sounds: `MLCLAP` of a model of pairs."""

    def rerank(self, query: str, clips: Sequence[dict], *, lang: str) -> Sequence[_Ranked]: ...


@dataclass(frozen=True)
class Reranker:
    """A model of pairs, and how many hits it looks at.

    Attributes:
        model: see `PairModel`.
        top: hits; those after them stay behind these.
    """

    model: PairModel
    top: int = 50

    def __call__(self, words: str, lang: str, hits: Sequence[Hit]) -> List[Hit]:
        """The hits in their new order; the first `top` have the model's score as similarity.

        Of each hit the best window is heard again. One that cannot be read any more comes after the others.
        """
        heard: List[Hit] = []
        clips: List[Window] = []
        lost: List[Hit] = []
        for hit in hits[: self.top]:
            try:
                clips.append(read_span(hit.recording.path, hit.best_start, hit.best_end))
                heard.append(hit)
            except AudioError as error:
                logging.warning("not reranked: %s", error)
                lost.append(hit)
        if not clips:
            return list(hits)
        ranked = self.model.rerank(
            words,
            [{"array": clip.samples, "sampling_rate": clip.rate} for clip in clips],
            lang=lang,
        )
        first = [replace(heard[one.index], similarity=one.score) for one in ranked]
        return [*first, *lost, *hits[self.top :]]
