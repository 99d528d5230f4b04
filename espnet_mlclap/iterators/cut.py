"""Cutting what was drawn for an epoch into batches of clips of similar length."""

import logging
from typing import List, Optional, Sequence, Tuple

import numpy as np

from espnet_mlclap.fileio.audio import SAMPLING_RATE
from espnet_mlclap.utils.errors import UserError

_HOURS = 2 * 3600 * SAMPLING_RATE  # samples: more than the largest usual batch
_FAR_LONGER = 8  # times the median


def buckets_by_length(lengths: np.ndarray, buckets: int) -> np.ndarray:
    """Put clips of similar length into the same of so many buckets, all of which hold equally many.

    Args:
        lengths: of the clips in the order of their ids, [c].
        buckets: how many.

    Returns:
        Bucket of each clip, [c].
    """
    bucket_of = np.empty(len(lengths), dtype=np.int32)
    ordered = np.argsort(lengths, kind="stable")
    bucket_of[ordered] = np.arange(len(lengths)) * buckets // max(1, len(lengths))
    return bucket_of


def cut(
    clips: np.ndarray,
    lengths: np.ndarray,
    bucket_of: np.ndarray,
    generator: np.random.Generator,
    *,
    batch_size: int,
    batch_length: Optional[float] = None,
    clip_length: Optional[float] = None,
    world_size: int = 1,
) -> List[np.ndarray]:
    """Shuffle what was drawn within buckets of clips of similar length, and cut it into batches.

    What is left over of the buckets makes batches of its own. Every batch has a clip for each rank: where
    there are too few, batches are joined, whatever that makes of their size.

    Args:
        clips: the clip of each thing that was drawn, [n].
        lengths: of all clips, [c].
        bucket_of: of each clip, from `buckets_by_length`, [c].
        generator: shuffles, within the buckets and the batches of the epoch.
        batch_size: things in a batch.
        batch_length: most sound in a batch: its number of clips times the longest. None: no limit.
        clip_length: of a longer clip no more than this is used.
        world_size: number of ranks.

    Returns:
        Positions in `clips`, each once, by batch.

    Raises:
        UserError: all of it together has fewer clips than there are ranks.
    """
    shuffled = generator.permutation(len(clips)).astype(np.int32)
    used = lengths if clip_length is None else np.minimum(lengths, clip_length)

    def parts(positions: np.ndarray) -> Tuple[List[np.ndarray], np.ndarray]:
        if batch_length is None:
            ends = range(batch_size, len(positions) + 1, batch_size)
        else:
            owners = clips[positions]
            ends = _ends_by_length(owners.tolist(), used[owners].tolist(), batch_size, batch_length)
        *batches, rest = np.split(positions, ends)
        return batches, rest

    batches: List[np.ndarray] = []
    rests: List[np.ndarray] = []
    buckets = bucket_of[clips[shuffled]]
    for bucket in range(int(bucket_of.max(initial=0)) + 1):
        full, left = parts(shuffled[buckets == bucket])
        batches += full
        rests.append(left)
    full, left = parts(np.concatenate(rests))
    batches += full + ([left] if len(left) else [])
    batches = _joined(batches, clips, world_size)
    return [batches[index] for index in generator.permutation(len(batches))]


def _ends_by_length(
    clips: Sequence[int], lengths: Sequence[float], batch_size: int, batch_length: float
) -> List[int]:
    """Where full batches end, one after the other; what comes after the last does not fill one."""
    ends: List[int] = []
    start, longest = 0, 0.0
    inside: set = set()
    for position, (clip, length) in enumerate(zip(clips, lengths)):
        number = len(inside) + (clip not in inside)
        too_much = number * max(longest, length) > batch_length
        if position > start and (position - start == batch_size or too_much):
            ends.append(position)
            start, inside, longest = position, set(), 0.0
        inside.add(clip)
        longest = max(longest, length)
    return ends


def _joined(batches: Sequence[np.ndarray], clips: np.ndarray, world_size: int) -> List[np.ndarray]:
    joined: List[np.ndarray] = []
    for batch in batches:
        if joined and _count(joined[-1], clips) < world_size:
            joined[-1] = np.concatenate([joined[-1], batch])
        else:
            joined.append(batch)
    if len(joined) > 1 and _count(joined[-1], clips) < max(2, world_size):
        last = joined.pop()
        joined[-1] = np.concatenate([joined[-1], last])
    if joined and _count(joined[-1], clips) < world_size:
        raise UserError(
            f"an epoch has captions of {len(np.unique(clips))} clips, but there are {world_size} ranks, "
            "each of which needs one in every batch. Train with fewer GPUs (--ngpu)."
        )
    return joined


def _count(positions: np.ndarray, clips: np.ndarray) -> int:
    return len(np.unique(clips[positions]))


def most_sound(
    lengths: np.ndarray,
    batch_size: int,
    batch_seconds: Optional[float],
    max_seconds: Optional[float],
) -> Optional[float]:
    """Most sound in a batch: what was asked for, or what keeps single long clips from filling all of it.

    Without a limit one clip of an hour makes every clip of its batch as long. So where clips are far longer
    than is usual in their set, and would make a batch of hours, there is a limit, which two of them fit into.

    Args:
        lengths: of the clips, samples at 16 kHz.
        batch_size: captions in a batch.
        batch_seconds: limit that was asked for.
        max_seconds: of a clip no more is used.

    Returns:
        Samples, padding included; None for no limit.
    """
    if batch_seconds is not None:
        return batch_seconds * SAMPLING_RATE
    most = np.inf if max_seconds is None else max_seconds * SAMPLING_RATE
    used = np.minimum(lengths, most)
    longest, usual = float(used.max()), float(np.median(used))
    if longest <= _FAR_LONGER * usual or longest * batch_size <= _HOURS:
        return None
    limit = max(_HOURS, 2 * longest)
    logging.info(
        "the longest clip has %.0f s, half of them at most %.0f s: no batch gets more than %.0f s of sound "
        "(--batch_seconds, --max_seconds)",
        *(samples / SAMPLING_RATE for samples in (longest, usual, limit)),
    )
    return limit
