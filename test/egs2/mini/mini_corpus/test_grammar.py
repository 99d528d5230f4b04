"""Captions: one meaning each, and the grammar of eight languages."""

import re

import numpy as np
import pytest

from espnet_mlclap.utils.languages import PAPER_LANGUAGES
from mini_corpus.grammar import LANGUAGES, STYLES, caption
from mini_corpus.scenes import MARKS, PARTS, SOURCES, Event, Scene, sample_scene

LATIN = [lang for lang in LANGUAGES if lang.endswith("_Latn")]


def one(source, **marks):
    return Scene(((Event(source, **marks),),))


def then(*events):
    return Scene(tuple((event,) for event in events))


def together(*events):
    return Scene((events,))


@pytest.fixture(scope="module")
def scenes():
    rng = np.random.default_rng(0)
    return [sample_scene(rng, PARTS[i % 3], (0.3, 0.4, 0.3), 0.4) for i in range(1200)]


def test_languages_are_those_of_the_paper():
    assert set(LANGUAGES) == set(PAPER_LANGUAGES)
    assert STYLES >= 5


@pytest.mark.parametrize("lang", LANGUAGES)
def test_a_caption_means_one_scene_in_one_style(scenes, lang):
    meanings = {}
    for scene in scenes:
        for style in range(STYLES):
            text = caption(scene, lang, style)
            assert meanings.setdefault(text, (scene, style)) == (scene, style)


@pytest.mark.parametrize("lang", LANGUAGES)
def test_captions_are_well_formed(scenes, lang):
    for number, scene in enumerate(scenes):
        text = caption(scene, lang, number % STYLES)
        assert text == text.strip()
        assert "  " not in text
        assert "None" not in text
        if lang in LATIN:
            assert text[0].isupper()
            assert text.endswith(".")
            assert not re.search(r" [,.;]", text) or lang == "fra_Latn"
        else:
            assert text.endswith("。")
            assert " " not in text
            assert not re.search(r"[A-Za-z,.]", text)


def test_every_mark_is_said_in_every_style():
    for source in SOURCES:
        marks = [{}, {"loudness": "quiet"}, {"loudness": "loud"}]
        if "pace" in MARKS[source]:
            marks += [{"pace": "slow"}, {"pace": "fast"}]
        if "count" in MARKS[source]:
            marks += [{"count": 2}, {"count": 3}]
        for lang in LANGUAGES:
            for style in range(STYLES):
                texts = {caption(one(source, **mark), lang, style) for mark in marks}
                assert len(texts) == len(marks)


# Sentences checked by hand: what each language does that a word-by-word version would not.
DOG = Event("dog", loudness="loud", count=3)
RAIN = Event("rain")
BELL = Event("bell", count=2)
BY_HAND = [
    (then(DOG, BELL), "eng_Latn", 0, "A dog barks loudly three times, then a bell rings twice."),
    # German: verb second after "dann", verb last after "während"
    (then(DOG, BELL), "deu_Latn", 0, "Ein Hund bellt dreimal laut, dann läutet eine Glocke zweimal."),
    (together(BELL, DOG), "deu_Latn", 0,
     "Eine Glocke läutet zweimal, während ein Hund dreimal laut bellt."),
    (one("dog"), "deu_Latn", 1, "Man hört einen Hund bellen."),
    # German adjectives: strong endings by gender and case
    (one("rain", loudness="loud"), "deu_Latn", 2, "Starker Regen."),
    (one("rain", loudness="loud"), "deu_Latn", 4, "Die Aufnahme enthält starken Regen."),
    (one("bell", loudness="quiet", count=2), "deu_Latn", 2, "Zwei leise Schläge einer Glocke."),
    # Dutch: "er" announces an indefinite subject; neuter nouns take no ending
    (then(RAIN, DOG), "nld_Latn", 0, "Het regent, dan blaft er een hond drie keer luid."),
    (together(RAIN, DOG), "nld_Latn", 0, "Het regent terwijl er een hond drie keer luid blaft."),
    (one("footsteps", loudness="loud", pace="fast"), "nld_Latn", 2, "Luide en snelle voetstappen."),
    (one("dog", loudness="loud", pace="fast"), "nld_Latn", 2, "Luid en snel geblaf van een hond."),
    # French: elision, agreement
    (together(RAIN, Event("siren")), "fra_Latn", 0, "La pluie tombe tandis qu'une sirène hurle."),
    (one("rain", loudness="loud"), "fra_Latn", 2, "Pluie battante."),
    (one("dog", loudness="loud", pace="fast"), "fra_Latn", 4,
     "L'enregistrement contient les aboiements forts et rapides d'un chien."),
    # Spanish: contraction, personal a
    (together(RAIN, Event("drops", pace="slow")), "spa_Latn", 4,
     "La grabación contiene lluvia además del goteo lento del agua."),
    (one("footsteps", pace="slow"), "spa_Latn", 1, "Podemos oír a alguien caminando despacio."),
    # Catalan: elision and contraction, feminine numeral for "vegades"
    (together(RAIN, Event("applause")), "cat_Latn", 4,
     "L'enregistrament conté pluja a més d'aplaudiments."),
    (together(RAIN, BELL), "cat_Latn", 0, "La pluja cau mentre una campana sona dues vegades."),
    (together(RAIN, DOG), "cat_Latn", 4,
     "L'enregistrament conté pluja a més de tres lladrucs forts d'un gos."),
    # Japanese: the clause before another takes its conjunctive form
    (then(DOG, BELL), "jpn_Jpan", 0, "犬が大きな声で三回吠えて、それから鐘が二回鳴ります。"),
    (then(DOG, BELL), "jpn_Jpan", 3, "まず、犬が大きな声で三回吠え、その後、鐘が二回鳴ります。"),
    (one("clock", loudness="quiet", pace="slow"), "jpn_Jpan", 2, "時計の小さくてゆっくりとした音。"),
    # Chinese: aspect, and the measure word of a stroke
    (then(DOG, RAIN), "zho_Hans", 0, "一只狗大声地叫了三声，然后外面下着雨。"),
    (one("knock", loudness="loud", count=2), "zho_Hans", 0, "有人用力地敲了两下门。"),
]  # fmt: skip


@pytest.mark.parametrize(("scene", "lang", "style", "expected"), BY_HAND)
def test_sentences_written_by_hand(scene, lang, style, expected):
    assert caption(scene, lang, style) == expected


def test_capitals_commas_and_periods_of_single_group():
    assert caption(one("rain"), "eng_Latn", 3) == "In this recording, rain falls."
    assert caption(then(RAIN, DOG), "eng_Latn", 3).startswith("First rain falls; after that, ")
