"""Where the clips of training sets are in their shards."""

from pathlib import Path
from typing import Iterable, List, NamedTuple, Sequence, Tuple, Union

import numpy as np

from espnet_mlclap.fileio.columns import find_id
from espnet_mlclap.fileio.forward import is_address
from espnet_mlclap.fileio.shards import FOLDER, MANIFEST, check_shards, read_manifest
from espnet_mlclap.fileio.tar_members import parse_location
from espnet_mlclap.utils.errors import UserError


class ShardFile(NamedTuple):
    """A shard: its path or address, and bytes."""

    place: str
    size: int


class ShardPlaces(NamedTuple):
    """Where clips are.

    Attributes:
        files: the shards.
        shard: which of them each clip is in, [c] int32.
        offset: where in it the header of the clip's audio begins, [c] int64.
    """

    files: List[ShardFile]
    shard: np.ndarray
    offset: np.ndarray


def read_shard_places(
    sets: Sequence[Tuple[Union[str, Path], Iterable[Tuple[str, str]]]],
    clip_ids: np.ndarray,
    sources: Sequence[str] = (),
) -> ShardPlaces:
    """Find the clips of formatted sets in their shards.

    Args:
        sets: folder of each, and its clips with their locations, as in `wav.scp`.
        clip_ids: of all clips, sorted, [c] bytes.
        sources: folder or `http(s)://` address that has the shards of each set; none: where stage 3 put them.

    Raises:
        UserError: a set without shards, a shard that is missing or of another size, another number of
            sources than sets.
    """
    if sources and len(sources) != len(sets):
        raise UserError(
            f"--shard_source: {len(sources)} places for {len(sets)} training sets; give one each, or none."
        )
    files: List[ShardFile] = []
    shard = np.full(len(clip_ids), -1, dtype=np.int32)
    offset = np.zeros(len(clip_ids), dtype=np.int64)
    for number, (folder, clips) in enumerate(sets):
        source = sources[number] if sources else str(Path(folder) / FOLDER)
        manifest = read_manifest(folder)
        if not is_address(source):
            check_shards(source, manifest)
        number_of = {facts.shard: len(files) + place for place, facts in enumerate(manifest)}
        files += [ShardFile(f"{source.rstrip('/')}/{one.shard}", one.bytes) for one in manifest]
        for clip, location in clips:
            entry = parse_location(location)
            name = "" if entry is None else Path(entry[0]).name
            if entry is None or name not in number_of:
                raise UserError(
                    f"{folder}/wav.scp: clip {clip!r}: {location} is in none of the shards of {MANIFEST}. "
                    "Run stage 3 with --audio_format shards."
                )
            row = find_id(clip_ids, clip)
            shard[row], offset[row] = number_of[name], entry[1]
    return ShardPlaces(files, shard, offset)
