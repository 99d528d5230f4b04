"""From clips with captions and a place to look for audio to a data directory, with what is missing.

Published corpora name audio that may be gone (videos taken down) or not yet fetched: clips without
audio are counted and listed, and the others are used.
"""

import logging
from pathlib import Path, PurePosixPath
from typing import Callable, Dict, List, NamedTuple, Optional, Sequence, Tuple, Union

from espnet_mlclap.corpora.audio_index import AudioIndex, split_folder
from espnet_mlclap.corpora.ml_clap_captions import read_given_captions
from espnet_mlclap.fileio.data_dir import Caption, DataDir, caption_id
from espnet_mlclap.utils.atomic import atomic_open
from espnet_mlclap.utils.errors import UserError


class CaptionedClip(NamedTuple):
    """A clip of a corpus.

    Attributes:
        clip: its id.
        stems: names, without extension, that its audio file may have, the likeliest first.
        captions: (language, caption) in the corpus' order.
        source: the recording that it is from, `youtube:<id>` or `freesound:<id>`, where that is known.
    """

    clip: str
    stems: Sequence[str]
    captions: Sequence[Tuple[str, str]]
    source: str = ""


class PublishedSize(NamedTuple):
    """Numbers of clips (None: not stated) and captions that are published for one version."""

    version: str
    clips: Optional[int]
    captions: int


class Split(NamedTuple):
    """A part of a corpus: name, its caption file, folders that may have its audio, published sizes."""

    name: str
    captions: Path
    folders: Sequence[str]
    published: Sequence[PublishedSize] = ()


def prepare_splits(
    corpus: str,
    splits: Sequence[Split],
    read_clips: Callable[[Path], List[CaptionedClip]],
    audio_dir: Union[str, Path],
    out_dir: Union[str, Path],
    *,
    test_captions: Sequence[Union[str, Path]] = (),
    test_list: Optional[Union[str, Path]] = None,
) -> Dict[str, DataDir]:
    """Write `<corpus>_<split>` for each split; the last one is the test set.

    Args:
        corpus: name of the corpus, the first part of its sets' names.
        splits: the parts.
        read_clips: reads a caption file.
        audio_dir: folder of the audio, in folders by split or all together.
        out_dir: folder for the data directories; clips without audio are listed there in
            `<corpus>_<split>.missing`.
        test_captions: JSON files of given test captions (see `ml_clap_captions`): the test set is the
            clips they name with the captions they give.
        test_list: file of the test clips to take, one name a line (of an audio file, with or without
            folder and extension, or a clip id); None takes all.

    Returns:
        The sets by split.

    Raises:
        UserError: a file is missing or broken, or none of a split's clips has audio.
    """
    if not Path(audio_dir).is_dir():
        raise UserError(
            f"{audio_dir}: no such folder (audio of {corpus}; set {corpus.upper()}_AUDIO in db.sh)."
        )
    sets = {}
    for split in splits:
        clips = read_clips(split.captions)
        if split is splits[-1] and test_captions:
            clips = _given_test(clips, test_captions)
        if split is splits[-1] and test_list:
            clips = _listed(clips, Path(test_list))
        sets[split.name] = write_set(
            clips,
            AudioIndex(split_folder(audio_dir, split.folders)),
            Path(out_dir) / f"{corpus}_{split.name}",
            note=f"{corpus}, {split.name} split, captions from {split.captions}",
            published=split.published,
        )
    return sets


def write_set(
    clips: Sequence[CaptionedClip],
    index: AudioIndex,
    out_dir: Union[str, Path],
    *,
    note: str,
    published: Sequence[PublishedSize] = (),
) -> DataDir:
    """Write the data directory `out_dir` and, beside it, `<out_dir>.missing`.

    Args:
        clips: all clips that the caption files name.
        index: the audio.
        out_dir: the data directory.
        note: for its README.
        published: sizes to compare with.

    Returns:
        The set: the clips that have audio.

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
        if clip.source:
            data.sources[clip.clip] = clip.source
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
    return data


def _size_report(clips: int, captions: int, published: Sequence[PublishedSize]) -> str:
    report = f"{clips} clips with {captions} captions"
    for size in published:
        if captions == size.captions and size.clips in (clips, None):
            return f"{report}, as published for {size.version}"
    if published:
        known = "; ".join(
            f"{size.version}: {size.clips or '?'} with {size.captions}" for size in published
        )
        report += f" (published: {known})"
    return report


def _by_stem(clips: Sequence[CaptionedClip]) -> Dict[str, CaptionedClip]:
    return {name: clip for clip in clips for name in (clip.clip, *clip.stems)}


def _given_test(
    clips: Sequence[CaptionedClip], paths: Sequence[Union[str, Path]]
) -> List[CaptionedClip]:
    of_stem, chosen = _by_stem(clips), []
    for name, captions in read_given_captions(paths).items():
        if name not in of_stem:
            raise UserError(f"{paths[0]}: the clip {name!r} is not in the test split.")
        chosen.append(of_stem[name]._replace(captions=captions))
    return chosen


def _listed(clips: Sequence[CaptionedClip], path: Path) -> List[CaptionedClip]:
    of_stem, chosen = _by_stem(clips), {}
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read as a list of test clips ({error}).") from error
    for number, line in enumerate(lines, 1):
        name = PurePosixPath(line.strip())
        if not name.name:
            continue
        clip = of_stem.get(name.name) or of_stem.get(name.stem)
        if clip is None:
            raise UserError(f"{path}:{number}: the clip {line.strip()!r} is not in the test split.")
        chosen[clip.clip] = clip
    if not chosen:
        raise UserError(f"{path}: there is no clip in the list.")
    return list(chosen.values())
