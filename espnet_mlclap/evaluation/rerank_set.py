"""Score the pairs that the two towers found in a set with a model of pairs.

Each clip and caption is read once. Stage 6 and the validation while training call this one function. Equal
clips and captions (whose tokens are the same to the last bit) get equal scores: each distinct pair is
computed once, in whichever directions and for however many copies it is wanted.

Shapes: N clips, M captions, t tokens, d width of the co-attention.
"""

import hashlib
import logging
import time
from typing import Callable, Dict, List, NamedTuple, Optional, Tuple, Union

import numpy as np
import torch
from torch import Tensor

from espnet_mlclap.evaluation.embed_set import (
    CLIPS_PER_BATCH,
    clip_batches,
    evaluating,
    sorted_ids,
)
from espnet_mlclap.evaluation.embeddings import EmbeddingSet
from espnet_mlclap.evaluation.pair_scores import PairScores, Scored, most_similar
from espnet_mlclap.fileio.data_dir import DataDir
from espnet_mlclap.models.embed_captions import caption_batches
from espnet_mlclap.models.padding import pad
from espnet_mlclap.models.reranker.pair_model import CoAttentionModel
from espnet_mlclap.models.tokens import Tokens
from espnet_mlclap.objectives.gather import of_first_rank, sum_over_ranks, this_rank, world_size
from espnet_mlclap.utils.errors import UserError
from espnet_mlclap.utils.progress import progress_bar


class _Items(NamedTuple):
    """Prepared tokens of the items of one side, those of equal items once.

    Attributes:
        prepared: [t, d] float32 of each distinct item, by the row of the first of its copies.
        first: int64 [items], the row of the first of the copies of each item.
    """

    prepared: Dict[int, np.ndarray]
    first: np.ndarray


def rerank_set(
    model: CoAttentionModel,
    data: DataDir,
    embeddings: EmbeddingSet,
    *,
    top: Optional[int],
    name: str = "reranked",
    normalize: Optional[Callable[[str, str], str]] = None,
    device: Union[str, torch.device] = "cpu",
    clips_per_batch: int = CLIPS_PER_BATCH,
    num_workers: int = 0,
    over_ranks: bool = False,
) -> PairScores:
    """Score the most similar clips of each caption, and captions of each clip in each language.

    Args:
        model: on `device`; is put into evaluation mode, and back into that in which it was.
        data: the formatted set.
        embeddings: of the same set by two towers, the model's own or others: they choose what is scored.
        top: items per query; None for all.
        name: of the reranker, for tables.
        normalize: what was applied to captions while the reranker was trained.
        device: where to compute.
        clips_per_batch, num_workers: as in `embed_set`.
        over_ranks: each rank of a training scores its share of the pairs, and gets the others'. All must call
            this with the same weights and embeddings.

    Raises:
        AudioError: a clip cannot be read.
        UserError: embeddings of another set, or a reranker that has diverged.
    """
    if embeddings.clips != sorted_ids(data.wav_scp) or embeddings.captions != sorted_ids(
        data.captions
    ):
        raise UserError(f"{embeddings.path}: not the embeddings of this set. Run stage 6 again.")
    device = torch.device(device)
    with evaluating(model):
        audio = _prepare_clips(model, data, embeddings.clips, device, clips_per_batch, num_workers)
        text = _prepare_captions(model, data, embeddings.captions, normalize, device)
        wanted, firsts = _candidates(embeddings, top), (audio.first, text.first)
        if over_ranks:  # near ties and equal items may be others on another processor
            wanted, firsts = of_first_rank((wanted, firsts), device)
        keys = [
            firsts[0][clips] * len(embeddings.captions) + firsts[1][captions]
            for clips, captions, _ in wanted.values()
        ]
        distinct, places = np.unique(np.concatenate([k.ravel() for k in keys]), return_inverse=True)
        start = time.monotonic()
        rank, ranks = (this_rank(), world_size()) if over_ranks else (0, 1)
        scores = _score(model, audio, text, distinct, device, rank, ranks)
        if over_ranks:
            scores = sum_over_ranks(scores, device)
    if not np.isfinite(scores).all():
        raise UserError(f"{name}: scores that are NaN or infinite. The reranker has diverged.")
    seconds = time.monotonic() - start
    logging.info(
        f"{len(distinct)} pairs scored in {seconds:.1f} s ({len(distinct) / max(seconds, 1e-9):.0f} pairs "
        f"per second) with {name}"
    )
    ends = np.cumsum([key.size for key in keys])
    by_query: Dict[str, Scored] = {}
    for (way, (_, _, items)), key, end in zip(wanted.items(), keys, ends):
        own = scores[places.reshape(-1)[end - key.size : end]].reshape(items.shape)
        by_query[way] = Scored(items, own)
    shown = f"{name}, full matrix" if top is None else f"{name}, top {top}"
    return PairScores(shown, by_query.pop("t2a"), by_query)


def _candidates(
    embeddings: EmbeddingSet, top: Optional[int]
) -> Dict[str, Tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Clips and captions of the wanted pairs, and the items of each query, all [queries, k].

    By "t2a" (queries are captions, items clips), and by language (the other way round).
    """
    limit = max(len(embeddings.clips), len(embeddings.captions)) if top is None else top
    clips = most_similar(embeddings.text, embeddings.audio, limit)
    captions = np.broadcast_to(np.arange(len(clips))[:, None], clips.shape)
    wanted = {"t2a": (clips, captions, clips)}
    for lang in embeddings.languages:
        rows = embeddings.rows_of_language(lang)
        items = rows[most_similar(embeddings.audio, embeddings.text[rows], limit)]
        queries = np.broadcast_to(np.arange(len(items))[:, None], items.shape)
        wanted[lang] = (queries, items, items)
    return wanted


def _prepare_clips(
    model: CoAttentionModel,
    data: DataDir,
    clips: List[str],
    device: torch.device,
    clips_per_batch: int,
    num_workers: int,
) -> _Items:
    found = _Distinct(len(clips))
    with progress_bar("reading clips", len(clips), "clips") as bar:
        for rows, audio, lengths in clip_batches(model, data, clips, clips_per_batch, num_workers):
            tokens = model.audio_tokens(audio.to(device), lengths.to(device))
            found.add(rows, tokens, model.prepare_audio(tokens))
            bar.update(len(rows))
    return found.items


def _prepare_captions(
    model: CoAttentionModel,
    data: DataDir,
    captions: List[str],
    normalize: Optional[Callable[[str, str], str]],
    device: torch.device,
) -> _Items:
    found = _Distinct(len(captions))
    pairs = [(data.captions[key].text, data.captions[key].lang) for key in captions]
    with progress_bar("reading captions", len(captions), "captions") as bar:
        for rows, text, lengths in caption_batches(model, pairs, normalize):
            tokens = model.text_tokens(text.to(device), lengths.to(device))
            found.add(rows, tokens, model.prepare_text(tokens))
            bar.update(len(rows))
    return found.items


class _Distinct:
    """Collects prepared tokens, those of equal items once."""

    def __init__(self, count: int):
        self.items = _Items({}, np.zeros(count, np.int64))
        self._seen: Dict[bytes, int] = {}

    def add(self, rows: List[int], tokens: Tokens, prepared: Tokens) -> None:
        for place, row in enumerate(rows):
            own = np.ascontiguousarray(tokens.real(place).float().cpu().numpy())
            key = hashlib.blake2b(own, digest_size=16).digest()
            if key not in self._seen:
                self._seen[key] = row
                self.items.prepared[row] = prepared.real(place).float().cpu().numpy()
            self.items.first[row] = self._seen[key]


def _score(
    model: CoAttentionModel,
    audio: _Items,
    text: _Items,
    keys: np.ndarray,
    device: torch.device,
    rank: int,
    ranks: int,
) -> np.ndarray:
    """Scores of distinct pairs, whose keys are sorted: pairs of one clip follow each other.

    Of several ranks each scores every `ranks`-th chunk; the scores of the others are 0.
    """
    scores = np.zeros(len(keys), np.float32)
    chunk = model.pairs_per_chunk
    starts = range(rank * chunk, len(keys), ranks * chunk)
    with progress_bar(
        "scoring pairs", sum(len(keys[at : at + chunk]) for at in starts), "pairs"
    ) as bar:
        for start in starts:
            clips, captions = np.divmod(keys[start : start + chunk], len(text.first))
            audio_tokens, clip = _gathered(audio, clips, device)
            text_tokens, caption = _gathered(text, captions, device)
            found = model.score_pairs(audio_tokens, text_tokens, clip, caption)
            scores[start : start + len(clips)] = found.cpu().numpy()
            bar.update(len(clips))
    return scores


def _gathered(items: _Items, rows: np.ndarray, device: torch.device) -> Tuple[Tokens, Tensor]:
    distinct, index = np.unique(rows, return_inverse=True)
    values, lengths = pad([items.prepared[items.first[row]] for row in distinct.tolist()], 0.0)
    mask = torch.arange(values.shape[1]) < lengths.unsqueeze(1)
    tokens = Tokens(values.to(device), mask.to(device))
    return tokens, torch.from_numpy(index.reshape(-1)).to(device)
