"""Given translations (`--translator file`): a directory with `text`, `utt2clip` and `utt2lang`."""

import itertools
import logging
import random
from pathlib import Path
from typing import Dict, List, Mapping, Sequence, Set, Tuple, Union

from espnet_mlclap.fileio.data_dir import Caption, caption_id, read_captions
from espnet_mlclap.language_enhancement.captions import Task, clips_to_translate, same_number
from espnet_mlclap.utils.errors import UserError


def given_translations(
    given_dir: Union[str, Path],
    captions: Mapping[str, Caption],
    source_lang: str,
    langs: Sequence[str],
    *,
    captions_per_clip: str,
    seed: int,
    where: str,
    lacking_only: bool = False,
    rewrite: bool = False,
) -> List[Tuple[Task, str]]:
    """Take the captions of a set's clips in some languages from a directory.

    A given caption is compared with the original of the same clip and number, as far as there is one,
    otherwise with the clip's first. A given translation of an id that the set has is the set's own, and left
    out. A given paraphrase may well have an original's id, for both are numbered from 1 in the same language:
    it is left out where the words are the same too, and has the next free id otherwise.

    Args:
        given_dir: directory of translations; clips and languages that are not asked for are skipped.
        captions: the set's own captions, by id.
        source_lang: language of the originals.
        langs: languages to translate into.
        captions_per_clip: "one" draws one caption for each clip and language, "all" takes all.
        seed: of the draw.
        where: the set, for messages.
        lacking_only: skip the languages in which a clip has captions already.
        rewrite: take paraphrases, captions in `source_lang`, instead of translations.

    Returns:
        Tasks and their translations, sorted by clip, language and given id.

    Raises:
        UserError: the directory is broken or has nothing for this set, or nothing that it does not have; or
            no caption of the set is in `source_lang`.
    """
    given = read_captions(given_dir)
    clips = clips_to_translate(
        captions, source_lang, langs, where=where, lacking_only=lacking_only, rewrite=rewrite
    )
    wanted = {(clip, lang) for clip, (_, lacking) in clips.items() for lang in lacking}
    groups: Dict[Tuple[str, str], List[str]] = {}
    present = 0
    for key in sorted(given, key=lambda key: (len(key), key)):
        caption = given[key]
        if (caption.clip, caption.lang) not in wanted:
            continue
        if key in captions and not (rewrite and captions[key].text != caption.text):
            present += 1
            continue
        groups.setdefault((caption.clip, caption.lang), []).append(key)
    targets = sorted({lang for _, lang in wanted})
    if present and not groups:
        raise UserError(
            f"{given_dir}: has nothing that this set, {where}, does not have already: its captions have the "
            f"ids {'and the words ' if rewrite else ''}of the set's own. Look at its text."
        )
    if wanted and not groups:
        raise UserError(
            f"{given_dir}: nothing in it is for this set, {where}: no caption of its clips in "
            f"{' '.join(targets)}. Look at its utt2clip and utt2lang."
        )
    own = {caption.clip for caption in captions.values()}
    others = sum(caption.clip not in own for caption in given.values())
    if others:
        logging.info(
            "%s: %d of %d given captions belong to no clip of %s",
            given_dir,
            others,
            len(given),
            where,
        )
    pairs = []
    renamed: Set[str] = set()
    used = (captions, given, renamed)
    for (clip, lang), keys in sorted(groups.items()):
        if captions_per_clip == "one":
            keys = [random.Random(f"{seed} {clip} {lang}").choice(keys)]
        originals, _ = clips[clip]
        paired = {same_number(key, captions[key], lang): key for key in originals}
        for key in keys:
            source_key = paired.get(key, originals[0])
            free = key
            if key in captions:
                ids = (caption_id(clip, lang, number) for number in itertools.count(1))
                free = next(id_ for id_ in ids if not any(id_ in ones for ones in used))
                renamed.add(free)
            pairs.append((Task(free, source_key, captions[source_key], lang), given[key].text))
    for lang in targets:
        asked = [clip for clip in clips if (clip, lang) in wanted]
        lacking = sum((clip, lang) not in groups for clip in asked)
        if lacking:
            logging.warning(
                "%s: %d of %d clips have nothing in %s", given_dir, lacking, len(asked), lang
            )
    return pairs
