"""Which captions are translated, and what their translations are called."""

import random
from typing import Dict, List, Mapping, NamedTuple, Sequence

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
) -> List[Task]:
    """Choose the captions to be translated.

    Args:
        captions: all captions of a set, by id; those of other languages than `source_lang` are left.
        source_lang: language to translate from.
        langs: languages to translate into; `source_lang` among them is passed over.
        captions_per_clip: "one" draws one of a clip's captions for each language (the ML-CLAP paper,
            section 2), depending on seed, clip and language alone; "all" takes all.
        seed: of the draw.
        where: the set, for errors.

    Returns:
        Tasks with distinct keys that no original has, sorted by clip, language and original.

    Raises:
        UserError: no caption is in `source_lang`, or no other language is wanted.
    """
    targets = [lang for lang in dict.fromkeys(langs) if lang != source_lang]
    if not targets:
        raise UserError(f"--langs names no language but the source language {source_lang}.")
    clips: Dict[str, List[str]] = {}
    for key in sorted(captions, key=lambda key: (len(key), key)):  # 2 before 10
        if captions[key].lang == source_lang:
            clips.setdefault(captions[key].clip, []).append(key)
    if not clips:
        found = " ".join(sorted({caption.lang for caption in captions.values()}))
        raise UserError(
            f"{where}: no caption is in {source_lang} (--source_lang); there are {found}."
        )
    tasks = []
    for clip in sorted(clips):
        for lang in sorted(targets):
            chosen = clips[clip]
            if captions_per_clip == "one":
                chosen = [random.Random(f"{seed} {clip} {lang}").choice(chosen)]
            for source_key, key in _ids(chosen, captions, lang).items():
                tasks.append(Task(key, source_key, captions[source_key], lang))
    return tasks


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
