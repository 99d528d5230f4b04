"""Ranks of caption-clip pairs by counting, from a similarity that is computed once.

A pair's rank in a list that is sorted by falling similarity is the number of items above it. So
nothing is sorted: a panel of captions x all clips is one matrix product, and each pair is compared
with its row (text to audio) and with its column (audio to text). Memory is one panel, whatever the
number of captions.

Ties are part of the result. A pair comes with the number of items strictly above it and the number
of items level with it, and `metrics.py` averages over all orders of the level ones. Equal embeddings
are level by construction, since each distinct embedding is multiplied once: a matrix product rounds
the same dot product differently in different places, which would order copies by accident.

Shapes: N clips, M captions, P pairs, E embedding size.
"""

import hashlib
from typing import Iterator, NamedTuple, Tuple

import numpy as np

from espnet_mlclap.utils.errors import UserError
from espnet_mlclap.utils.progress import progress

_PANEL_VALUES = 1 << 24  # similarities held at a time, 64 MiB
# Counted at a time, so that passes over a block stay in the cache; 255 captions at most, so that
# counts fit a byte.
_BLOCK_CAPTIONS, _BLOCK_CLIPS = 255, 512
_TILE_PAIRS = 64  # pairs whose own similarities are taken from one product


class PairRanks(NamedTuple):
    """Where each pair is in both directions; int64 arrays [P].

    The 0-based rank of pair p among the clips lies in
    [t2a_greater[p], t2a_greater[p] + t2a_equal[p]), that among the captions likewise.
    """

    t2a_greater: np.ndarray  # clips more similar to the caption than the pair's clip
    t2a_equal: np.ndarray  # clips exactly as similar, the pair's own among them
    a2t_greater: np.ndarray  # captions more similar to the clip than the pair's caption
    a2t_equal: np.ndarray  # captions exactly as similar, the pair's own among them


def unit_rows(rows: np.ndarray, what: str = "embeddings") -> np.ndarray:
    """Divide each row by its Euclidean norm; a row of zeros stays zero (similarity 0 to everything).

    Args:
        rows: [items, E], any float type.
        what: what the rows are, for messages.

    Returns:
        float32 [items, E], C-contiguous.

    Raises:
        UserError: rows with NaN or infinity.
        ValueError: not a matrix with at least one row and one column.
    """
    rows = np.asarray(rows)
    if rows.ndim != 2 or 0 in rows.shape:
        raise ValueError(f"{what} must be a matrix [items, size], not of shape {rows.shape}")
    # In float64: squares of large or tiny float32 numbers leave the range of float32.
    squares = np.einsum("ij,ij->i", rows, rows, dtype=np.float64)
    bad = np.flatnonzero(~np.isfinite(squares))
    if len(bad):
        raise UserError(
            f"{what}: {len(bad)} of {len(rows)} rows hold NaN or infinity (the first is row "
            f"{bad[0]}, counted from 0). The model has diverged or its input was broken."
        )
    norms = np.sqrt(squares)
    norms[norms == 0.0] = 1.0
    unit = np.empty(rows.shape, np.float32)
    np.divide(rows, norms[:, None], out=unit, dtype=np.float64, casting="same_kind")
    unit += 0.0  # turns -0 into 0, so that equal rows have equal bytes
    return unit


def pair_ranks(
    audio: np.ndarray, text: np.ndarray, caption: np.ndarray, clip: np.ndarray
) -> PairRanks:
    """Rank pairs of captions and clips by cosine similarity, in both directions.

    Args:
        audio: clip embeddings [N, E]; need not be of unit length.
        text: caption embeddings [M, E].
        caption: row of `text` of each pair, integers [P].
        clip: row of `audio` of each pair, integers [P].

    Returns:
        The counts for each pair, in the order given.

    Raises:
        UserError: embeddings with NaN or infinity.
        ValueError: shapes that do not fit, rows out of range.
    """
    audio, text = unit_rows(audio, "audio embeddings"), unit_rows(text, "text embeddings")
    caption, clip = np.asarray(caption), np.asarray(clip)
    _check(audio, text, caption, clip)
    audio, audio_index, audio_copies = _distinct_rows(audio)
    text, text_index, text_copies = _distinct_rows(text)
    # Pairs of distinct rows, sorted by caption row: `which` leads back to the pairs given.
    keys, which = np.unique(
        text_index[caption] * len(audio) + audio_index[clip], return_inverse=True
    )
    rows, columns = np.divmod(keys, len(audio))
    own = _pair_similarity(text[rows], audio[columns])
    counts = np.zeros((4, len(keys)), np.int64)
    column_slots = [(slot, columns[slot]) for slot in _slots(columns)]
    for top, lines in _line_blocks(text, audio):  # lines: [block, N]
        bottom = top + len(lines)
        mine = slice(*np.searchsorted(rows, (top, bottom)))
        lines[rows[mine] - top, columns[mine]] = own[mine]
        row_slots = [(mine.start + slot, rows[mine][slot] - top) for slot in _slots(rows[mine])]
        for left in range(0, len(audio), _BLOCK_CLIPS):
            block = lines[:, left : left + _BLOCK_CLIPS]
            right = left + block.shape[1]
            for pairs, wanted in row_slots:
                part, limit = _take(block, wanted, 0), own[pairs, None]
                counts[0, pairs] += _count_rows(part > limit, audio_copies[left:right])
                counts[1, pairs] += _count_rows(part == limit, audio_copies[left:right])
            for slot, wanted in column_slots:
                inside = slice(*np.searchsorted(wanted, (left, right)))
                pairs = slot[inside]
                part, limit = _take(block, wanted[inside] - left, 1), own[pairs]
                counts[2, pairs] += _count_columns(part > limit, text_copies[top:bottom])
                counts[3, pairs] += _count_columns(part == limit, text_copies[top:bottom])
    return PairRanks(*counts[:, which.reshape(-1)])


def _check(audio: np.ndarray, text: np.ndarray, caption: np.ndarray, clip: np.ndarray) -> None:
    if audio.shape[1] != text.shape[1]:
        raise ValueError(
            f"audio embeddings have {audio.shape[1]} values, text embeddings {text.shape[1]}"
        )
    if caption.ndim != 1 or caption.shape != clip.shape or not len(caption):
        raise ValueError(
            f"pairs need one caption and one clip each, not {caption.shape} and {clip.shape}"
        )
    for name, index, rows in (("caption", caption, text), ("clip", clip, audio)):
        if not np.issubdtype(index.dtype, np.integer):
            raise ValueError(f"{name} rows must be integers, not {index.dtype}")
        if index.min() < 0 or index.max() >= len(rows):
            raise ValueError(
                f"{name} rows must lie in 0..{len(rows) - 1}, not {index.min()}..{index.max()}"
            )


def _distinct_rows(rows: np.ndarray) -> Tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the distinct rows, the distinct row of each row, and how often each occurs."""
    seen: dict = {}
    index = np.fromiter(
        (seen.setdefault(hashlib.blake2b(row, digest_size=16).digest(), len(seen)) for row in rows),
        np.int64,
        len(rows),
    )
    if len(seen) < len(rows):
        rows = rows[np.unique(index, return_index=True)[1]]
    return rows, index, np.bincount(index)


def _line_blocks(text: np.ndarray, audio: np.ndarray) -> Iterator[Tuple[int, np.ndarray]]:
    """Yield the first caption and the similarities [captions, N] of one block after the other."""
    panel = max(1, _PANEL_VALUES // len(audio))
    for first in progress(range(0, len(text), panel), "ranking", unit="panels"):
        similarity = text[first : first + panel] @ audio.T
        for line in range(0, len(similarity), _BLOCK_CAPTIONS):
            yield first + line, similarity[line : line + _BLOCK_CAPTIONS]


def _pair_similarity(text: np.ndarray, audio: np.ndarray) -> np.ndarray:
    """Similarity of row p of both, [P].

    Taken from the diagonals of small matrix products rather than from `einsum`: those add up in the
    same order as the panels do, so that equal similarities of different embeddings stay equal.
    """
    own = np.empty(len(text), np.float32)
    for start in range(0, len(text), _TILE_PAIRS):
        # the last tile overlaps the one before it: a smaller product may add up in another order
        start = max(0, min(start, len(text) - _TILE_PAIRS))
        tile = slice(start, start + _TILE_PAIRS)
        own[tile] = np.diagonal(text[tile] @ audio[tile].T)
    return own


def _slots(values: np.ndarray) -> list:
    """Split the positions of `values` into groups in which no value occurs twice.

    The first group holds the first occurrence of each value, sorted by value, and so on.
    """
    if not len(values):
        return []
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    first = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    number = np.arange(len(values)) - np.repeat(first, np.diff(np.r_[first, len(values)]))
    return [order[number == slot] for slot in range(number.max() + 1)]


def _take(block: np.ndarray, wanted: np.ndarray, axis: int) -> np.ndarray:
    whole = len(wanted) == block.shape[axis]  # sorted and distinct, hence 0, 1, 2, ...
    return block if whole else np.take(block, wanted, axis=axis)


def _count_rows(hits: np.ndarray, copies: np.ndarray) -> np.ndarray:
    counts = np.count_nonzero(hits, axis=1)
    repeated = np.flatnonzero(copies > 1)
    if len(repeated):
        counts = counts + hits[:, repeated] @ (copies[repeated] - 1)
    return counts


def _count_columns(hits: np.ndarray, copies: np.ndarray) -> np.ndarray:
    counts = np.add.reduce(hits.view(np.uint8), axis=0, dtype=np.uint8).astype(np.int64)
    repeated = np.flatnonzero(copies > 1)
    if len(repeated):
        counts += (copies[repeated] - 1) @ hits[repeated]
    return counts
