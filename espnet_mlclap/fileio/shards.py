"""Shards of a formatted set: numbered tar files of some hundred clips, for slow disks and object stores.

    <set>/shards/000000.tar ...     `KEY.flac` and `KEY.json` of one clip after the other (`tar_members.py`)
    <set>/shards/manifest.jsonl     a line of JSON for each: shard, clips, bytes, blake2b

`KEY.json` has the clip's id as `clip`, `duration` in seconds, `num_samples` at `sampling_rate`, its captions
as `{language: [caption, ...]}`, and `label` and `source` where they are known. The folder can be copied
anywhere as it is: `webdataset` reads it, and so does a training (`--shard_source`).
"""

import contextlib
import json
import os
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Sequence, Union

from espnet_mlclap.fileio.checksums import checksum_of, read_checksums
from espnet_mlclap.utils.atomic import atomic_open, make_dir
from espnet_mlclap.utils.errors import UserError
from espnet_mlclap.utils.reading import parse_json, read_text
from espnet_mlclap.utils.shown import shown

FOLDER = "shards"
MANIFEST = "manifest.jsonl"
CLIPS_PER_SHARD = 1000  # half as many to as many on average: some 200 MB of ten-second clips
AUDIO = "audio.tar"  # what a shard is called in the folder of its block
_AGAIN = "Run stage 3 (formatting) again; it makes only what is missing."


class ShardFacts(NamedTuple):
    """A line of the manifest: name of a shard, its number of clips and bytes, its BLAKE2b (16 bytes, hex)."""

    shard: str
    clips: int
    bytes: int
    blake2b: str


def write_shards(out_dir: Path, blocks: Sequence[Path], clips: Sequence[int]) -> Dict[Path, Path]:
    """Give the tar files of finished blocks their numbers, and write the manifest.

    A shard is a second name of the file in its block, so that it takes no room.

    Args:
        out_dir: the formatted set.
        blocks: their folders, in order, each with `audio.tar` and `checksums`.
        clips: number of clips in each.

    Returns:
        The shard by the folder of its block.

    Raises:
        UserError: a block's file is missing, or not as long as it was.
    """
    folder = make_dir(out_dir / FOLDER)
    (folder / MANIFEST).unlink(missing_ok=True)
    facts: List[ShardFacts] = []
    shards: Dict[Path, Path] = {}
    for number, (block, count) in enumerate(zip(blocks, clips)):
        shard = folder / f"{number:06d}.tar"
        checksums = read_checksums(block)
        if AUDIO not in checksums or not (block / AUDIO).is_file():
            raise UserError(f"{block / AUDIO}: missing. Remove {block}, and it is made again.")
        _second_name(block / AUDIO, shard)
        facts.append(ShardFacts(shard.name, count, shard.stat().st_size, checksums[AUDIO]))
        shards[block] = shard
    for path in folder.glob("*.tar"):
        if path not in shards.values():
            path.unlink()
    with atomic_open(folder / MANIFEST) as file:
        file.writelines(json.dumps(one._asdict()) + "\n" for one in facts)
    return shards


def _second_name(path: Path, name: Path) -> None:
    if name.exists() and name.samefile(path):
        return
    new = name.with_name(f".{name.name}.tmp")
    new.unlink(missing_ok=True)
    try:
        os.link(path, new)
    except OSError:  # a file system without hard links
        new.symlink_to(os.path.relpath(path, name.parent))
    os.replace(new, name)


def read_manifest(data_dir: Union[str, Path]) -> List[ShardFacts]:
    """The shards of a formatted set.

    Raises:
        UserError: it has none, or the manifest is broken; names the line.
    """
    path = Path(data_dir) / FOLDER / MANIFEST
    if not path.is_file():
        raise UserError(
            f"{data_dir}: has no {FOLDER}/{MANIFEST}. Format it with --audio_format shards."
        )
    facts = []
    for number, line in enumerate(read_text(path).splitlines(), 1):
        where = f"{shown(path)}:{number}"
        try:
            facts.append(_facts(parse_json(line), where))
        except json.JSONDecodeError as error:
            raise UserError(f"{where}: broken JSON ({error.msg}). {_AGAIN}") from error
    return facts


def _facts(row: Any, where: str) -> ShardFacts:
    with contextlib.suppress(TypeError):
        facts = ShardFacts(**row)
        plain = isinstance(facts.shard, str) and Path(facts.shard).name == facts.shard
        if plain and all(type(number) is int and number >= 0 for number in facts[1:3]):
            return facts
    raise UserError(f"{where}: must have {', '.join(ShardFacts._fields)}. {_AGAIN}")


def has_shards(data_dir: Union[str, Path]) -> bool:
    """Whether a formatted set is one of shards."""
    return (Path(data_dir) / FOLDER / MANIFEST).exists()


def check_shards(
    folder: Union[str, Path], manifest: Sequence[ShardFacts], *, contents: bool = False
) -> None:
    """Make sure that shards are those that were written.

    Args:
        folder: that they are in.
        manifest: what they must be.
        contents: also read them, to compare their checksums.

    Raises:
        UserError: one is missing, longer, shorter or (with `contents`) another; names it.
    """
    for facts in manifest:
        path = Path(folder) / facts.shard
        if not path.is_file():
            problem = f"missing, though {MANIFEST} names it"
        elif path.stat().st_size != facts.bytes:
            problem = f"has {path.stat().st_size:,} bytes, where {MANIFEST} says {facts.bytes:,}"
        elif contents and checksum_of(path) != facts.blake2b:
            problem = f"has changed since it was written, as {MANIFEST} tells"
        else:
            continue
        raise UserError(
            f"{shown(path)}: {problem}. Put it back; or remove the folders blocks and {FOLDER} of the "
            f"formatted set and run stage 3 again."
        )
