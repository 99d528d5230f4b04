import csv
import json

import numpy as np
import pytest

from espnet_mlclap.fileio.data_dir import Caption
from espnet_mlclap.language_enhancement.captions import Task
from espnet_mlclap.language_enhancement.config import read_settings
from espnet_mlclap.language_enhancement.quality import (
    _AT_A_TIME,
    PROBLEMS,
    QualityConfig,
    check_translations,
    chrf,
    repeats,
)
from espnet_mlclap.language_enhancement.quality_report import (
    language_table,
    summarize,
    write_report,
)
from espnet_mlclap.language_enhancement.scripts import script_share
from espnet_mlclap.utils.errors import UserError
from espnet_mlclap.utils.languages import SONAR_LANGUAGES

SETTINGS = {
    "filter": True, "encoder": None, "min_cosine": None, "max_length_ratio": 3.0, "max_repeats": 4,
    "max_copied_words": 0.8, "min_script": 0.5, "worst_examples": 2,
}  # fmt: skip
SOURCE = "A dog barks while rain falls on the roof."
GOOD = {
    "fra_Latn": "Un chien aboie pendant que la pluie tombe sur le toit.",
    "jpn_Jpan": "屋根に雨が降る中、犬がワーワーと吠えている。",
    "zho_Hans": "雨落在屋顶上,一只狗在叫。",
    "rus_Cyrl": "Собака лает, пока дождь стучит по крыше.",
    "kor_Hang": "지붕에 비가 내리는 동안 개가 짖는다.",
}


def config(**changes):
    return QualityConfig(**{**SETTINGS, **changes})


def pair(text, lang, source=SOURCE, number=1):
    caption = Caption(source, "clip", "eng_Latn")
    key = f"clip-eng_Latn-{number}"
    return Task(key.replace("eng_Latn", lang), key, caption, lang), text


def problems(text, lang, source=SOURCE, **changes):
    # beside good ones, so that there is a usual length
    pairs = [pair(text, lang, source), *[pair(GOOD[lang], lang, number=n) for n in range(2, 6)]]
    return check_translations(pairs, config(**changes))[0].problems


@pytest.mark.parametrize("lang", sorted(GOOD))
def test_good_translations_have_no_problem(lang):
    assert problems(GOOD[lang], lang) == ()


@pytest.mark.parametrize(
    ("lang", "text", "expected"),
    [
        ("fra_Latn", "", "empty"),
        ("fra_Latn", "Un ⁇ aboie pendant que la pluie tombe.", "unknown"),
        ("fra_Latn", "Собака лает, пока дождь стучит.", "script"),
        ("fra_Latn", "!!! 123 ... --- 456", "script"),
        ("jpn_Jpan", "Hund bellt im Regen", "script"),
        ("zho_Hans", "개가 짖는다 비가 온다", "script"),
        ("zho_Hans", "いぬがほえている", "script"),
        ("rus_Cyrl", "Sobaka laet, poka dozhd stuchit", "script"),
        ("fra_Latn", SOURCE, "copied"),
        ("fra_Latn", "a dog barks while Rain falls on the toit", "copied"),
        ("fra_Latn", "Un chien, un chien, un chien, un chien, un chien, un chien.", "repeated"),
        ("fra_Latn", "La pluie louloulouloulouloulou", "repeated"),
        ("zho_Hans", "雨落雨落雨落雨落雨落雨落。", "repeated"),
        ("fra_Latn", "Un chien.", "length"),
        ("fra_Latn", " ".join([GOOD["fra_Latn"], *"Et puis il y a encore beaucoup plus de choses "
                               "que personne ne peut entendre ici ni ailleurs, car elles sont loin, "
                               "très loin de cette maison silencieuse".split()]), "length"),
    ],
)  # fmt: skip
def test_bad_translations_are_found(lang, text, expected):
    assert problems(text, lang) == (expected,)


def test_a_source_that_repeats_itself_may_be_translated():
    source = "Tick tick tick tick tick tick goes the clock."
    assert (
        problems(
            "Tic-tac tic-tac tic-tac tic-tac tic-tac tic-tac fait l'horloge.", "fra_Latn", source
        )
        == ()
    )


def test_each_check_can_be_switched_off():
    for name, lang, text in (
        ("min_script", "fra_Latn", "Собака лает, пока дождь стучит."),
        ("max_copied_words", "fra_Latn", SOURCE),
        ("max_length_ratio", "fra_Latn", "Un chien."),
        ("max_repeats", "zho_Hans", "雨落雨落雨落雨落雨落雨落。"),
    ):
        assert problems(text, lang) != ()
        assert problems(text, lang, **{name: None}) == ()


def test_repeats_against_a_loop():
    def slow(units, most):
        return any(
            units[start : start + period] * (most + 1) == units[start : start + period * (most + 1)]
            for period in range(1, len(units) + 1)
            for start in range(len(units) - period * (most + 1) + 1)
        )

    generator = np.random.default_rng(0)
    found = 0
    for _ in range(300):
        units = [str(unit) for unit in generator.integers(0, 2, size=generator.integers(0, 14))]
        for most in (1, 2, 3):
            assert repeats(units, most) == slow(units, most)
            found += repeats(units, most)
    assert 200 < found < 800


def test_cosine():
    vectors = {SOURCE: [3.0, 4.0], "bien": [6.0, 8.0], "mal": [-4.0, 3.0]}

    def embed(sentences, lang):
        assert (lang == "eng_Latn") == (list(sentences) == [SOURCE])
        return np.array([vectors[sentence] for sentence in sentences])

    pairs = [pair("bien", "fra_Latn"), pair("mal", "fra_Latn"), pair("", "fra_Latn")]
    good, bad, empty = check_translations(pairs, config(min_cosine=0.5), embed)
    assert good.cosine == pytest.approx(1.0)
    assert bad.cosine == pytest.approx(0.0)
    assert (good.problems, bad.problems) == ((), ("cosine",))
    assert empty.cosine is None
    # without a threshold it is reported only
    assert check_translations(pairs, config(), embed)[1].problems == ()


def test_embeddings_are_asked_for_in_parts():
    parts = {}

    def embed(sentences, lang):
        parts.setdefault(lang, []).append(len(sentences))
        return np.array([[len(sentence), 1.0] for sentence in sentences])

    count = _AT_A_TIME + 100
    pairs = [
        pair(f"chien {n} " * (n % 3 + 1), lang, f"dog {n}", n)
        for n in range(count)
        for lang in ("fra_Latn", "deu_Latn")
    ]
    items = check_translations(pairs, config(), embed)
    assert parts == {lang: [_AT_A_TIME, 100] for lang in ("eng_Latn", "fra_Latn", "deu_Latn")}
    for (task, text), item in zip(pairs[::997], items[::997]):
        x, y = len(task.source.text), len(text)
        expected = (x * y + 1) / np.sqrt((x * x + 1) * (y * y + 1))
        assert item.cosine == pytest.approx(expected, abs=1e-6)


def test_copies_are_a_problem_only_where_they_are_unusual(caplog):
    croatian, bosnian = "Pas laje dok kiša pada po krovu", "Pas laje dok kiša pada na krovu"
    pairs = [pair(bosnian, "bos_Latn", croatian, number=n) for n in range(4)]
    pairs += [pair(GOOD["fra_Latn"], "fra_Latn", number=n) for n in range(3)]
    pairs.append(pair(SOURCE, "fra_Latn", number=9))
    problems = [item.problems for item in check_translations(pairs, config())]
    assert problems == [()] * 7 + [("copied",)]
    assert "into bos_Latn usually share 86 % of their words with the source" in caplog.text
    assert "fra_Latn" not in caplog.text


def test_a_translator_that_only_copies_is_found():
    pairs = [pair(SOURCE, "fra_Latn", number=n) for n in range(4)]
    assert [item.problems for item in check_translations(pairs, config())] == [("copied",)] * 4


def test_every_language_of_sonar_has_a_script():
    for lang in SONAR_LANGUAGES:
        assert script_share("123 !", lang) == 0.0
    assert script_share("ᱥᱟᱱᱛᱟᱲᱤ", "sat_Beng") == 1.0
    assert script_share("テーブル", "jpn_Jpan") == 1.0
    assert script_share("abc犬", "jpn_Jpan") == 0.25


def test_chrf_against_sacrebleu_itself():
    import sacrebleu

    references = {
        "clip-fra_Latn-1": Caption("Un chien aboie.", "clip", "fra_Latn"),
        "clip-fra_Latn-2": Caption("La pluie tombe.", "clip", "fra_Latn"),
    }
    texts = ["Un chien aboya.", "La pluie tombe.", "Sans référence."]
    checked = check_translations(
        [pair(text, "fra_Latn", number=n) for n, text in enumerate(texts, 1)], config()
    )
    expected = sacrebleu.corpus_chrf(texts[:2], [["Un chien aboie.", "La pluie tombe."]]).score
    assert chrf(checked, references) == {"fra_Latn": {"chrF": round(expected, 2), "captions": 2}}


def test_captions_by_native_speakers_have_no_problem(ten_sounds):
    captions = {}
    with open(ten_sounds / "test/metadata.csv", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            captions.setdefault(row["file_name"], {}).setdefault(row["lang"], row["caption"])
    pairs = [
        pair(text, lang, source=texts["eng_Latn"])
        for texts in captions.values()
        for lang, text in texts.items()
        if lang != "eng_Latn"
    ]
    assert len(pairs) == 7 * len(captions) >= 7 * 20
    checked = check_translations(pairs, read_settings().quality)
    assert [item.text for item in checked if item.problems] == []


def test_report(tmp_path):
    texts = ["Un chien | aboie.", "", "Собака лает", "La pluie tombe sur le toit."]
    checked = check_translations(
        [pair(text, "fra_Latn", number=n) for n, text in enumerate(texts, 1)], config()
    )
    summary = summarize(checked, config(), {"fra_Latn": {"chrF": 50.0, "captions": 4}})
    entry = summary["languages"]["fra_Latn"]
    assert (entry["translations"], entry["kept"]) == (4, 2)
    assert entry["problems"] == {"empty": 1, "script": 1}
    assert entry["chrF"] == 50.0
    assert {example["id"] for example in entry["worst"]} == {"clip-fra_Latn-2", "clip-fra_Latn-3"}
    assert {example["id"] for example in summary["left_out"]} == {
        "clip-fra_Latn-2",
        "clip-fra_Latn-3",
    }
    assert language_table(summary).rows == [
        ["fra_Latn", "4", "2", "1", "1", "0.47", "0.00", "50.0", "4"]
    ]
    write_report(tmp_path, summary, "Made by hand.")
    assert json.loads((tmp_path / "quality.json").read_text())["languages"]["fra_Latn"] == entry
    text = (tmp_path / "quality.md").read_text()
    assert "Made by hand." in text
    assert all(problem in text for problem in PROBLEMS)
    kept = summarize(checked, config(filter=False))
    assert kept["languages"]["fra_Latn"]["kept"] == 3
    assert [example["id"] for example in kept["left_out"]] == ["clip-fra_Latn-2"]


def test_thresholds_out_of_range_are_named():
    for name, value in (("min_cosine", 2.0), ("max_length_ratio", 0.5), ("max_repeats", 0)):
        with pytest.raises(UserError, match=f"{name} must be"):
            config(**{name: value})
