"""Which clips are formatted together: the blocks of stage 3, and by what one is known to be up to date."""

import hashlib
import json
import os
from dataclasses import dataclass, field
from typing import Any, Dict, List, Mapping, Sequence

from espnet_mlclap.fileio.data_dir import DataDir
from espnet_mlclap.fileio.tar_members import file_of


@dataclass(frozen=True)
class Source:
    """A clip to format: its id, its file (or `archive.tar:offset`), where that was named (file and line), and
    what shards tell about the clip."""

    clip: str
    path: str
    where: str
    about: Mapping[str, Any] = field(default_factory=dict)

    def named(self, problem: str) -> str:
        """`problem`, with the clip that has it and where that was named."""
        return f"{self.where}: clip {self.clip!r}: {problem}"


def about_clips(data: DataDir) -> Dict[str, Dict[str, Any]]:
    """What shards tell about each clip."""
    about: Dict[str, Dict[str, Any]] = {clip: {"captions": {}} for clip in data.wav_scp}
    for _, caption in sorted(data.captions.items()):
        about[caption.clip]["captions"].setdefault(caption.lang, []).append(caption.text)
    for name, table in (("label", data.labels), ("source", data.sources)):
        for clip, value in table.items():
            about[clip][name] = value
    return about


def share_out(sources: Sequence[Source], most: int) -> Dict[int, List[Source]]:
    """The sources by block; their number is a power of two, so that it seldom changes with that of clips.

    Args:
        sources: all of a set.
        most: that a block has on average; half as many are the fewest.
    """
    count = 1 << max(0, (len(sources) - 1) // most).bit_length()
    blocks: Dict[int, List[Source]] = {}
    for source in sources:
        digest = hashlib.sha256(source.clip.encode("utf-8", "surrogateescape")).digest()
        blocks.setdefault(int.from_bytes(digest[:8], "big") % count, []).append(source)
    return dict(sorted(blocks.items()))


def fingerprint(block: Sequence[Source], audio_format: str) -> str:
    """Changes when a source of the block, or what shards tell about it, or the format does."""
    lines = [audio_format]
    for source in block:
        try:
            status = os.stat(file_of(source.path))
            lines.append(f"{source.clip} {source.path} {status.st_size} {status.st_mtime_ns}")
        except OSError:
            lines.append(f"{source.clip} {source.path} missing")
        if source.about:
            lines.append(json.dumps(source.about, sort_keys=True))
    return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogateescape")).hexdigest()[:12]
