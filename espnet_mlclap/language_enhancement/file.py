"""Given translations (`--translator file`): a directory with `text`, `utt2clip` and `utt2lang`."""

import logging
import random
from pathlib import Path
from typing import Dict, List, Mapping, Sequence, Tuple, Union

from espnet_mlclap.fileio.data_dir import Caption, read_captions
from espnet_mlclap.language_enhancement.captions import Task, same_number
from espnet_mlclap.utils.errors import UserError


def given_translations(
    given_dir: Union[str, Path],
    captions: Mapping[str, Caption],
    source_lang: str,
    langs: Sequence[str],
    *,
    captions_per_clip: str,
    seed: int,
) -> List[Tuple[Task, str]]:
    """Take the captions of a set's clips in some languages from a directory.

    A given caption is compared with the original of the same clip and number, as far as there is one,
    otherwise with the clip's first.

    Args:
        given_dir: directory of translations; clips and languages that are not wanted are passed over.
        captions: the set's own captions, by id.
        source_lang: language of the originals.
        langs: languages wanted.
        captions_per_clip: "one" draws one caption for each clip and language, "all" takes all.
        seed: of the draw.

    Returns:
        Tasks and their translations, sorted by clip, language and id. Captions that the set has
        already are left out.

    Raises:
        UserError: the directory is broken or has nothing for this set.
    """
    given = read_captions(given_dir)
    originals: Dict[str, List[str]] = {}
    for key in sorted(captions, key=lambda key: (len(key), key)):
        if captions[key].lang == source_lang:
            originals.setdefault(captions[key].clip, []).append(key)
    wanted = {lang for lang in langs if lang != source_lang}
    groups: Dict[Tuple[str, str], List[str]] = {}
    for key in sorted(given, key=lambda key: (len(key), key)):
        caption = given[key]
        if caption.clip in originals and caption.lang in wanted and key not in captions:
            groups.setdefault((caption.clip, caption.lang), []).append(key)
    if not groups:
        raise UserError(
            f"{given_dir}: nothing in it is for this set: no caption of its clips in "
            f"{' '.join(sorted(wanted))}. Look at its utt2clip and utt2lang."
        )
    pairs = []
    for (clip, lang), keys in sorted(groups.items()):
        if captions_per_clip == "one":
            keys = [random.Random(f"{seed} {clip} {lang}").choice(keys)]
        paired = {same_number(key, captions[key], lang): key for key in originals[clip]}
        for key in keys:
            source_key = paired.get(key, originals[clip][0])
            pairs.append((Task(key, source_key, captions[source_key], lang), given[key].text))
    for lang in sorted(wanted):
        lacking = sum((clip, lang) not in groups for clip in originals)
        if lacking:
            logging.warning(
                "%s: %d of %d clips have nothing in %s", given_dir, lacking, len(originals), lang
            )
    return pairs
