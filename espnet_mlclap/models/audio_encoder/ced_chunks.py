"""Cutting clips into chunks that CED can hold, and putting chunks into batches.

Nothing here touches audio: clips are numbers of frames, chunks are numbers of frames and patches.
"""

from dataclasses import dataclass
from typing import List, Sequence

PATCH = 16  # frames (and mel bins) a patch spans
# Chunks are processed together while the shortest has at least this share of the longest's patches:
# below, computing on padding costs more than another pass.
_MIN_FILL = 2 / 3


@dataclass(frozen=True)
class Chunk:
    """A piece of a clip, processed at once."""

    clip: int  #: row of the clip in the batch
    start: int  #: first frame in the clip
    frames: int  #: real frames; the rest of its patches is zeros
    patches: int  #: time patches, each of 16 frames by 16 mel bins in four rows


def cut(frame_lengths: Sequence[int], chunk_frames: int) -> List[Chunk]:
    """Cut each clip into chunks of `chunk_frames`, the last as long as what is left.

    A remainder of less than one patch is left out, as the frames after the last whole patch of any
    chunk are. A clip of less than one patch gets one, filled up with zeros.
    """
    chunks = []
    for clip, length in enumerate(frame_lengths):
        for start in range(0, max(length, 1), chunk_frames):
            frames = min(chunk_frames, length - start)
            if start == 0 or frames >= PATCH:
                chunks.append(Chunk(clip, start, frames, max(1, frames // PATCH)))
    return chunks


def cut_as_reference(clips: int, frames: int, chunk_frames: int) -> List[Chunk]:
    """Cut a batch padded to `frames` as the published code does.

    Up to `chunk_frames` is one chunk. Beyond, the last chunk is padded with zeros to the full length,
    and where nothing is left over the last full chunk is dropped.
    """
    if frames <= chunk_frames:
        return cut([frames] * clips, chunk_frames)
    whole, rest = divmod(frames, chunk_frames)
    lengths = [chunk_frames] * whole + [rest] if rest else [chunk_frames] * (whole - 1)
    return [
        Chunk(clip, piece * chunk_frames, length, chunk_frames // PATCH)
        for clip in range(clips)
        for piece, length in enumerate(lengths)
    ]


def group(chunks: Sequence[Chunk], max_patches: int) -> List[List[int]]:
    """Put chunks of similar length together.

    Args:
        chunks: what to group.
        max_patches: the most time patches of a group, padding included (one chunk is always taken).

    Returns:
        Positions in `chunks`, each exactly once, longest chunks first.
    """
    groups: List[List[int]] = []
    longest = 0
    for position in sorted(range(len(chunks)), key=lambda i: -chunks[i].patches):
        patches = chunks[position].patches
        full = groups and (len(groups[-1]) + 1) * longest > max_patches
        if not groups or full or patches < _MIN_FILL * longest:
            groups.append([])
            longest = patches
        groups[-1].append(position)
    return groups
