"""A scene said in words: five styles in each of eight languages.

Every language is written for itself in a module of `mini_corpus.languages`: what its
verbs, nouns and connectives are, and which form a phrase takes where it stands (verb second after
an adverb in German and Dutch, a conjunctive form before the next clause in Japanese, ...). Style n
says the same in every language, so that captions of one scene and style are translations of each
other.
"""

from types import ModuleType
from typing import Mapping

from mini_corpus.languages import (
    cat_Latn,
    deu_Latn,
    eng_Latn,
    fra_Latn,
    jpn_Jpan,
    nld_Latn,
    spa_Latn,
    zho_Hans,
)
from mini_corpus.scenes import Scene

_MODULES: Mapping[str, ModuleType] = {
    "eng_Latn": eng_Latn,
    "fra_Latn": fra_Latn,
    "deu_Latn": deu_Latn,
    "spa_Latn": spa_Latn,
    "nld_Latn": nld_Latn,
    "cat_Latn": cat_Latn,
    "jpn_Jpan": jpn_Jpan,
    "zho_Hans": zho_Hans,
}
LANGUAGES = tuple(_MODULES)
STYLES = len(eng_Latn.STYLES)


def caption(scene: Scene, lang: str, style: int) -> str:
    """Describe a scene.

    Args:
        scene: what is heard.
        lang: FLORES-200 code, one of LANGUAGES.
        style: 0 (clauses), 1 ("you can hear ..."), 2 (noun phrases), 3 ("first ... after that
            ...") or 4 ("the recording contains ...").

    Returns:
        One sentence. Two scenes have the same caption only if their marks, order and sources are
        the same; two styles never have the same caption.
    """
    module = _MODULES[lang]
    return module.finish(module.STYLES[style].say(scene, module.phrase))
