"""Hits in the order of a model of pairs, which reads again what was found."""

from dataclasses import replace
from typing import List, Protocol, Sequence, Tuple

from espnet_mlclap.search.hits import Hit
from espnet_mlclap.search.windows import read_span


class Reranker(Protocol):
    """What reranking needs of a model: `MLCLAP` of one with co-attention, or anything like it."""

    def rerank(
        self, query: str, clips: Sequence[dict], *, lang: str
    ) -> Sequence[Tuple[int, float]]:
        """(place among the clips, score) of each, the best first."""


def rerank_hits(reranker: Reranker, words: str, lang: str, hits: Sequence[Hit]) -> List[Hit]:
    """The same hits by the scores of their best windows, which take the place of their similarities.

    Args:
        reranker: scores windows with words.
        words: what was looked for.
        lang: FLORES-200 code of the words.
        hits: of a question; their recordings are read again.

    Raises:
        AudioError: a recording cannot be read any more.
    """
    spans = [read_span(hit.recording.path, hit.best_start, hit.best_end) for hit in hits]
    clips = [{"array": span.samples, "sampling_rate": span.rate} for span in spans]
    ranked = reranker.rerank(words, clips, lang=lang) if clips else []
    return [replace(hits[place], similarity=score) for place, score in ranked]
