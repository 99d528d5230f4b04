"""Cutting what was drawn for an epoch into batches of clips of similar length."""

import logging
from typing import Dict, List, Mapping, Optional, Sequence, Tuple

import numpy as np

from espnet_mlclap.fileio.audio import SAMPLING_RATE
from espnet_mlclap.utils.errors import UserError

_HOURS = 2 * 3600 * SAMPLING_RATE  # samples: more than the largest usual batch
_FAR_LONGER = 8  # times the median


def buckets_by_length(lengths: Mapping[str, float], buckets: int) -> Dict[str, int]:
    """Put clips of similar length into the same of so many buckets, all of which hold equally many."""
    ordered = sorted(lengths, key=lambda clip: (lengths[clip], clip))
    return {clip: rank * buckets // len(ordered) for rank, clip in enumerate(ordered)}


def cut(
    clips: Sequence[str],
    lengths: Mapping[str, float],
    bucket_of: Mapping[str, int],
    generator: np.random.Generator,
    *,
    batch_size: int,
    batch_length: Optional[float] = None,
    clip_length: Optional[float] = None,
    world_size: int = 1,
) -> List[List[int]]:
    """Shuffle what was drawn within buckets of clips of similar length, and cut it into batches.

    What is left over of the buckets makes batches of its own. Every batch has a clip for each rank: where
    there are too few, batches are joined, whatever that makes of their size.

    Args:
        clips: the clip of each thing that was drawn, [n].
        lengths: of all clips.
        bucket_of: of each clip, from `buckets_by_length`.
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
    shuffled = generator.permutation(len(clips)).tolist()
    filled: List[List[int]] = [[] for _ in range(max(bucket_of.values(), default=0) + 1)]
    for position in shuffled:
        filled[bucket_of[clips[position]]].append(position)
    used = {clip: min(length, clip_length or length) for clip, length in lengths.items()}

    def parts(positions: Sequence[int]) -> Tuple[List[List[int]], List[int]]:
        if batch_length is None:
            whole = len(positions) // batch_size * batch_size
            starts = range(0, whole, batch_size)
            return [list(positions[at : at + batch_size]) for at in starts], list(positions[whole:])
        return _parts_by_length(positions, clips, used, batch_size, batch_length)

    batches, rest = [], []
    for bucket in filled:
        full, left = parts(bucket)
        batches += full
        rest += left
    full, left = parts(rest)
    batches += full + ([left] if left else [])
    batches = _joined(batches, clips, world_size)
    return [batches[index] for index in generator.permutation(len(batches))]


def _parts_by_length(
    positions: Sequence[int],
    clips: Sequence[str],
    lengths: Mapping[str, float],
    batch_size: int,
    batch_length: float,
) -> Tuple[List[List[int]], List[int]]:
    """Full batches, one after the other, and what does not fill one."""
    batches: List[List[int]] = []
    batch: List[int] = []
    inside: set = set()
    longest = 0.0
    for position in positions:
        clip = clips[position]
        number = len(inside) + (clip not in inside)
        too_much = number * max(longest, lengths[clip]) > batch_length
        if batch and (len(batch) == batch_size or too_much):
            batches.append(batch)
            batch, inside, longest = [], set(), 0.0
        batch.append(position)
        inside.add(clip)
        longest = max(longest, lengths[clip])
    return batches, batch


def _joined(batches: Sequence[List[int]], clips: Sequence[str], world_size: int) -> List[List[int]]:
    joined: List[List[int]] = []
    for batch in batches:
        if joined and _count(joined[-1], clips) < world_size:
            joined[-1].extend(batch)
        else:
            joined.append(batch)
    if len(joined) > 1 and _count(joined[-1], clips) < max(2, world_size):
        joined[-2].extend(joined.pop())
    if joined and _count(joined[-1], clips) < world_size:
        raise UserError(
            f"an epoch has captions of {len(set(clips))} clips, but there are {world_size} ranks, "
            "each of which needs one in every batch. Train with fewer GPUs (--ngpu)."
        )
    return joined


def _count(positions: Sequence[int], clips: Sequence[str]) -> int:
    return len({clips[position] for position in positions})


def most_sound(
    lengths: Mapping[str, float],
    batch_size: int,
    batch_seconds: Optional[float],
    max_seconds: Optional[float],
) -> Optional[float]:
    """Most sound in a batch: what was asked for, or what keeps single long clips from filling all of it.

    Without a limit one clip of an hour makes every clip of its batch as long. So where clips are far longer
    than is usual in their set, and would make a batch of hours, there is a limit, which two of them fit into.

    Args:
        lengths: samples at 16 kHz by clip.
        batch_size: captions in a batch.
        batch_seconds: limit that was asked for.
        max_seconds: of a clip no more is used.

    Returns:
        Samples, padding included; None for no limit.
    """
    if batch_seconds is not None:
        return batch_seconds * SAMPLING_RATE
    most = np.inf if max_seconds is None else max_seconds * SAMPLING_RATE
    used = np.minimum(list(lengths.values()), most)
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
