"""Which captions are translated, and what their translations are called."""

import logging
import random
from typing import Dict, List, Mapping, NamedTuple, Sequence, Tuple

from espnet_mlclap.fileio.data_dir import Caption, caption_id
from espnet_mlclap.utils.errors import UserError


class Task(NamedTuple):
    """One translation to be made: a caption and a language.

    Attributes:
        key: caption id of the translation.
        source_key: caption id of the original.
        source: the original.
        lang: language of the translation.
    """

    key: str
    source_key: str
    source: Caption
    lang: str


def plan(
    captions: Mapping[str, Caption],
    source_lang: str,
    langs: Sequence[str],
    *,
    captions_per_clip: str,
    seed: int,
    where: str,
    lacking_only: bool = False,
    rewrite: bool = False,
) -> List[Task]:
    """Choose the captions to be translated, or written anew in their own language.

    Args:
        captions: all captions of a set, by id; those of other languages than `source_lang` are left.
        source_lang: language to translate from.
        langs: languages to translate into; `source_lang` among them is skipped.
        captions_per_clip: "one" draws one of a clip's captions for each language (the ML-CLAP paper,
            section 2), depending on seed, clip and language alone; "all" takes all.
        seed: of the draw.
        where: the set, for messages.
        lacking_only: skip the languages in which a clip has captions already.
        rewrite: paraphrases are wanted: tasks in `source_lang`, and `langs` does not matter.

    Returns:
        Tasks with distinct keys that no original has, sorted by clip, language and original.

    Raises:
        UserError: no caption is in `source_lang`, or no other language is asked for.
    """
    tasks = []
    clips = clips_to_translate(
        captions, source_lang, langs, where=where, lacking_only=lacking_only, rewrite=rewrite
    )
    for clip, (originals, wanted) in clips.items():
        for lang in wanted:
            chosen = originals
            if captions_per_clip == "one":
                chosen = [random.Random(f"{seed} {clip} {lang}").choice(chosen)]
            for source_key, key in _ids(chosen, captions, lang).items():
                tasks.append(Task(key, source_key, captions[source_key], lang))
    return tasks


def clips_to_translate(
    captions: Mapping[str, Caption],
    source_lang: str,
    langs: Sequence[str],
    *,
    where: str,
    lacking_only: bool,
    rewrite: bool = False,
) -> Dict[str, Tuple[List[str], List[str]]]:
    """The clips that need translations; how many cannot have any is a warning.

    Returns:
        {clip: (ids of its captions in `source_lang`, languages to translate into)}, all sorted.

    Raises:
        UserError: no caption is in `source_lang`, or no other language is asked for.
    """
    targets = [source_lang] if rewrite else sorted(set(langs) - {source_lang})
    if not targets:
        raise UserError(f"--langs names no language but the source language {source_lang}.")
    originals: Dict[str, List[str]] = {caption.clip: [] for caption in captions.values()}
    for key in sorted(captions, key=lambda key: (len(key), key)):  # 2 before 10
        if captions[key].lang == source_lang:
            originals[captions[key].clip].append(key)
    present = (
        {(caption.clip, caption.lang) for caption in captions.values()} if lacking_only else ()
    )
    wanted = {}
    for clip in sorted(originals):
        lacking = [lang for lang in targets if (clip, lang) not in present]
        if lacking:
            wanted[clip] = (originals[clip], lacking)
    without = sum(not keys for keys, _ in wanted.values())
    if wanted and not any(originals.values()):
        found = " ".join(sorted({caption.lang for caption in captions.values()}))
        raise UserError(
            f"{where}: no caption is in {source_lang} (--source_lang); available: {found}."
        )
    if without:
        logging.warning(
            "%s: %d of %d clips have no caption in %s (--source_lang) and get no translations",
            where,
            without,
            len(originals),
            source_lang,
        )
    return {clip: (keys, lacking) for clip, (keys, lacking) in wanted.items() if keys}


def same_number(source_key: str, source: Caption, lang: str) -> str:
    """Id that the caption `source_key` would have in `lang`; "" for ids of another form."""
    prefix = f"{source.clip}-{source.lang}-"
    number = source_key[len(prefix) :]
    if not source_key.startswith(prefix) or not number.isdigit():
        return ""
    return caption_id(source.clip, lang, int(number))


def _ids(chosen: Sequence[str], captions: Mapping[str, Caption], lang: str) -> Dict[str, str]:
    """Ids of the translations of one clip's captions, which no caption has yet.

    A translation has the number of its original where that is free in `lang`, otherwise the next free
    one.
    """
    ids = {}
    for source_key in chosen:
        key = same_number(source_key, captions[source_key], lang)
        if key and key not in captions:
            ids[source_key] = key
    taken = set(ids.values())
    number = 1
    for source_key in chosen:
        while source_key not in ids:
            key = caption_id(captions[source_key].clip, lang, number)
            if key not in captions and key not in taken:
                ids[source_key] = key
            number += 1
    return {source_key: ids[source_key] for source_key in chosen}
