"""From clips with captions and a place to look for audio to a data directory, with what is missing.

Published corpora name audio that may be gone (videos taken down) or not yet fetched: clips without
audio are counted and listed, and the others are used.
"""

import logging
from pathlib import Path
from typing import Dict, List, NamedTuple, Sequence, Tuple, Union

from espnet_mlclap.corpora.audio_index import AudioIndex
from espnet_mlclap.fileio.data_dir import Caption, DataDir, caption_id
from espnet_mlclap.utils.atomic import atomic_open
from espnet_mlclap.utils.errors import UserError


class CaptionedClip(NamedTuple):
    """A clip of a corpus.

    Attributes:
        clip: its id.
        stems: names, without extension, that its audio file may have, the likeliest first.
        captions: (language, caption) in the corpus' order.
    """

    clip: str
    stems: Sequence[str]
    captions: Sequence[Tuple[str, str]]


class PublishedSize(NamedTuple):
    """Numbers of clips and captions that the corpus' authors state for one version."""

    version: str
    clips: int
    captions: int


def write_set(
    clips: Sequence[CaptionedClip],
    index: AudioIndex,
    out_dir: Union[str, Path],
    *,
    note: str,
    published: Sequence[PublishedSize] = (),
) -> Tuple[DataDir, List[str]]:
    """Write the data directory `out_dir` and, beside it, `<out_dir>.missing`.

    Args:
        clips: all clips that the caption files name.
        index: the audio.
        out_dir: the data directory.
        note: for its README.
        published: sizes to compare with.

    Returns:
        The set, and the ids of the clips that have no audio.

    Raises:
        UserError: no clip has audio.
    """
    out_dir = Path(out_dir)
    captions = sum(len(clip.captions) for clip in clips)
    logging.info("%s: %s", out_dir, _size_report(len(clips), captions, published))
    data, missing = DataDir(), []
    for clip in clips:
        path = index.find(clip.stems)
        if path is None:
            missing.append(clip.clip)
            continue
        data.wav_scp[clip.clip] = path
        numbers: Dict[str, int] = {}
        for lang, text in clip.captions:
            numbers[lang] = numbers.get(lang, 0) + 1
            key = caption_id(clip.clip, lang, numbers[lang])
            data.captions[key] = Caption(text, clip.clip, lang)
    if not data.wav_scp:
        raise UserError(
            f"{index.folder}: none of the {len(clips)} clips of {out_dir.name} has an audio file "
            f"there; names looked for: {', '.join(clips[0].stems)} (.wav, .flac, ...)."
        )
    with atomic_open(out_dir.with_name(out_dir.name + ".missing")) as file:
        file.writelines(f"{clip}\n" for clip in missing)
    if missing:
        logging.warning(
            "%s: %d of %d clips have no audio in %s and are left out (listed in %s.missing)",
            out_dir,
            len(missing),
            len(clips),
            index.folder,
            out_dir,
        )
    data.write(out_dir, note)
    return data, missing


def _size_report(clips: int, captions: int, published: Sequence[PublishedSize]) -> str:
    report = f"{clips} clips with {captions} captions"
    for size in published:
        if (clips, captions) == (size.clips, size.captions):
            return f"{report}, as published for {size.version}"
    if published:
        known = "; ".join(
            f"{size.version}: {size.clips} with {size.captions}" for size in published
        )
        report += f" (published: {known})"
    return report
