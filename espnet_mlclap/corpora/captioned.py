"""From clips with captions and a place to look for audio to a data directory, with what is missing.

Published corpora name audio that may be unavailable (videos taken down) or not yet fetched: clips without
audio are counted and listed, and the others are used.
"""

import logging
from pathlib import Path, PurePosixPath
from typing import Callable, Dict, List, NamedTuple, Optional, Sequence, Set, Tuple, Union

from espnet_mlclap.corpora.audio_index import AudioIndex, split_folder
from espnet_mlclap.corpora.ml_clap_captions import read_given_captions
from espnet_mlclap.fileio.data_dir import Caption, DataDir, caption_id
from espnet_mlclap.utils.atomic import atomic_open
from espnet_mlclap.utils.errors import UserError
from espnet_mlclap.utils.reading import read_text


class CaptionedClip(NamedTuple):
    """A clip of a corpus.

    Attributes:
        clip: its id.
        stems: names, without extension, that its audio file may have, the likeliest first.
        captions: (language, caption) in the corpus' order.
        source: the recording that it is from, `youtube:<id>` or `freesound:<id>`, where that is known.
        label: its class, for zero-shot classification, where it has one.
    """

    clip: str
    stems: Sequence[str]
    captions: Sequence[Tuple[str, str]]
    source: str = ""
    label: str = ""


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
        test_list: file of the test clips to take, one name per line (of an audio file, with or without
            folder and extension, or a clip id), whether there are given captions for them or not.

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
        clips, out = read_clips(split.captions), Path(out_dir) / f"{corpus}_{split.name}"
        own_choice = split is splits[-1] and test_list is not None
        if split is splits[-1]:
            clips = _test_clips(clips, test_captions, test_list)
        level = logging.INFO if own_choice else logging.WARNING
        _compare_size(out, clips, split.published, level)
        sets[split.name] = write_set(
            clips,
            AudioIndex(split_folder(audio_dir, split.folders)),
            out,
            parallel=split is splits[-1] and bool(test_captions),
            note=f"{corpus}, {split.name} split, captions from {split.captions}",
        )
    return sets


def write_set(
    clips: Sequence[CaptionedClip],
    index: AudioIndex,
    out_dir: Union[str, Path],
    *,
    parallel: bool = False,
    note: str,
) -> DataDir:
    """Write the data directory `out_dir` and, next to it, `<out_dir>.missing`.

    Args:
        clips: all clips that the caption files name.
        index: the audio.
        out_dir: the data directory.
        parallel: the captions of a clip in a language are those in its first language, in the same order, as
            far as there are as many.
        note: for its README.

    Returns:
        The set: the clips that have audio.

    Raises:
        UserError: no clip has audio.
    """
    out_dir = Path(out_dir)
    data, missing = DataDir(), []
    for clip in clips:
        path = index.find(clip.stems)
        if path is None:
            missing.append(clip.clip)
            continue
        data.wav_scp[clip.clip] = path
        if clip.source:
            data.sources[clip.clip] = clip.source
        if clip.label:
            data.labels[clip.clip] = clip.label
        numbers: Dict[str, int] = {}
        for lang, text in clip.captions:
            numbers[lang] = numbers.get(lang, 0) + 1
            key = caption_id(clip.clip, lang, numbers[lang])
            data.captions[key] = Caption(text, clip.clip, lang)
        if parallel:
            source_lang = clip.captions[0][0]
            for lang in numbers:
                if lang != source_lang and numbers[lang] == numbers[source_lang]:
                    for number in range(1, numbers[lang] + 1):
                        key = caption_id(clip.clip, lang, number)
                        data.caption_sources[key] = caption_id(clip.clip, source_lang, number)
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
    logging.info("%s: %d clips, %d captions", out_dir, len(data.wav_scp), len(data.captions))
    return data


def _compare_size(
    out_dir: Path,
    clips: Sequence[CaptionedClip],
    published: Sequence[PublishedSize],
    level: int,
) -> None:
    """Log the number of clips and captions next to those published, at `level` if it is none of them."""
    captions = sum(len(clip.captions) for clip in clips)
    report = f"{out_dir}: {len(clips)} clips with {captions} captions are named"
    for size in published:
        if captions == size.captions and size.clips in (len(clips), None):
            logging.info("%s, as published for %s", report, size.version)
            return
    known = "; ".join(
        f"{size.version}: {size.clips or '?'} with {size.captions}" for size in published
    )
    logging.log(level, "%s, which is not a published size (%s)", report, known)


def _by_stem(clips: Sequence[CaptionedClip]) -> Dict[str, CaptionedClip]:
    return {name: clip for clip in clips for name in (clip.clip, *clip.stems)}


def _test_clips(
    clips: Sequence[CaptionedClip],
    given: Sequence[Union[str, Path]],
    test_list: Optional[Union[str, Path]],
) -> List[CaptionedClip]:
    """The clips of a test split: those of the list, else those with given captions, else all."""
    chosen = _given_test(clips, given) if given else list(clips)
    if not test_list:
        return chosen
    listed, has_given = _listed(clips, Path(test_list)), {clip.clip: clip for clip in chosen}
    without = sum(clip not in has_given for clip in listed)
    if without:
        logging.warning(
            "%s: %d of its %d clips have their own captions alone, since %s does not have them",
            test_list, without, len(listed), given[0],
        )  # fmt: skip
    return [has_given.get(clip.clip, clip) for clip in clips if clip.clip in listed]


def _given_test(
    clips: Sequence[CaptionedClip], paths: Sequence[Union[str, Path]]
) -> List[CaptionedClip]:
    of_stem = _by_stem(clips)
    chosen: Dict[str, CaptionedClip] = {}
    for name, captions in read_given_captions(paths).items():
        if name not in of_stem:
            raise UserError(f"{paths[0]}: the clip {name!r} is not in the test split.")
        clip = of_stem[name]
        earlier = chosen[clip.clip].captions if clip.clip in chosen else []  # by another name of it
        new = [caption for caption in captions if caption not in earlier]
        chosen[clip.clip] = clip._replace(captions=[*earlier, *new])
    return list(chosen.values())


def _listed(clips: Sequence[CaptionedClip], path: Path) -> Set[str]:
    """Ids of the clips in a list of names."""
    of_stem, chosen = _by_stem(clips), set()
    for number, line in enumerate(read_text(path).splitlines(), 1):
        name = PurePosixPath(line.strip())
        if not name.name:
            continue
        clip = of_stem.get(name.name) or of_stem.get(name.stem)
        if clip is None:
            raise UserError(f"{path}:{number}: the clip {line.strip()!r} is not in the test split.")
        chosen.add(clip.clip)
    if not chosen:
        raise UserError(f"{path}: there is no clip in the list.")
    return chosen
