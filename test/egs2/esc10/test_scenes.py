"""Scenes of real recordings: what claims fit, how languages say them, what is mixed."""

from itertools import permutations

import numpy as np
import pytest
import soundfile
import yaml

from espnet_mlclap.fileio.data_dir import DataDir, read_table
from espnet_mlclap.utils.errors import UserError

LANGS = "cat_Latn deu_Latn eng_Latn fra_Latn jpn_Jpan nld_Latn spa_Latn zho_Hans".split()


@pytest.fixture
def small(recipe):
    """A configuration of few scenes."""
    from dataclasses import replace

    from scenes.corpus import load_config

    config = load_config(recipe / "conf/scenes.yaml")
    scenes = {"train": 8, "valid": 4, "test": 40}
    sets = {name: replace(one, scenes=scenes[name]) for name, one in config.sets.items()}
    return replace(config, sets=sets)


@pytest.fixture
def grammars(recipe):
    from esc10_corpus import read_sets
    from scenes.grammar import read_grammars

    labels = sorted({clip.label for clip in read_sets(recipe / "corpus")["train"]})
    return read_grammars(recipe / "corpus/grammar", labels), labels


def test_a_claim_fits_where_it_is_true(recipe):
    from scenes.scene import Claim, Scene

    scene = Scene((("dog", "rain"), ("clock_tick",)), ("rain",))
    for kind, true, false in (
        ("one", "rain", "rooster"),
        ("starts", "rain", "clock_tick"),
        ("ends", "clock_tick", "dog"),
        ("two", "clock_tick dog", "dog rooster"),
        ("three", "clock_tick rain dog", "clock_tick rain rooster"),
        ("over", "dog rain", "rain dog"),
        ("then", "rain clock_tick", "clock_tick rain"),
        ("while", "rain dog", "dog clock_tick"),
        ("while_then", "rain dog clock_tick", "rain clock_tick dog"),
    ):
        assert Claim(kind, tuple(true.split())).fits(scene), (kind, true)
        assert not Claim(kind, tuple(false.split())).fits(scene), (kind, false)
    assert not Claim("then", ("dog", "rain")).fits(scene)  # at the same time
    assert not Claim("then_then", ("dog", "rain", "clock_tick")).fits(scene)
    assert not Claim("then_while", ("clock_tick", "dog", "rain")).fits(scene)
    one_more = Scene((("dog",), ("rooster",), ("rain",)))
    assert Claim("then", ("dog", "rain")).fits(one_more)  # whatever else is heard


def test_whole_and_parts_are_all_that_is_true(recipe):
    from scenes.scene import KINDS, Claim, draw_scene, parts, whole

    rng = np.random.default_rng(1)
    for _ in range(50):
        scene = draw_scene(rng, list("abcde"), 0.5, 0.5)
        found = whole(scene) + [claim for claims in parts(scene).values() for claim in claims]
        true = [
            claim
            for kind, number in KINDS.items()
            for claim in (Claim(kind, labels) for labels in permutations("abcde", number))
            if claim.fits(scene)
        ]
        assert sorted(map(repr, found)) == sorted(map(repr, true))
        assert all(set(claim.labels) == set(scene.labels) for claim in whole(scene))


def test_languages_say_the_same_differently(grammars):
    from scenes.scene import KINDS, Claim

    by_lang, labels = grammars
    assert sorted(by_lang) == LANGS
    for lang, grammar in by_lang.items():
        captions = {}
        for kind, number in KINDS.items():
            for chosen in permutations(labels[:5], number):
                for way in range(len(grammar.ways[kind])):
                    said = grammar.say(Claim(kind, chosen), way)
                    assert "{" not in said
                    assert said[-1] in ".。"
                    captions.setdefault(said, []).append((kind, chosen, way))
        assert all(len(claims) == 1 for claims in captions.values()), (lang, captions)
    claim = Claim("while_then", ("dog", "helicopter", "rain"))
    assert by_lang["deu_Latn"].say(claim, 0) == (
        "Ein Hund bellt, während ein Hubschrauber knattert, dann regnet es."
    )
    assert by_lang["nld_Latn"].say(claim, 0) == (
        "Een hond blaft terwijl er een helikopter overvliegt, daarna regent het."
    )
    assert by_lang["jpn_Jpan"].say(claim, 0) == (
        "ヘリコプターが飛ぶのと同時に犬が吠えて、それから雨が降ります。"
    )


def test_scenes_are_made_of_the_recordings_of_their_set(recipe, small, tmp_path):
    from esc10_corpus import read_sets
    from scenes.corpus import prepare_scenes

    prepare_scenes(recipe / "corpus", tmp_path / "data", tmp_path / "audio", small)
    train, test = (DataDir.read(tmp_path / "data" / name) for name in ("train", "test"))
    given = DataDir.read(tmp_path / "data/train_given")
    assert train.languages == ["eng_Latn"]
    assert sorted([*given.languages, "eng_Latn"]) == test.languages == LANGS
    assert len(test.captions) == 40 * 3 * 8
    seconds = [soundfile.info(path) for path in test.wav_scp.values()]
    assert all(info.samplerate == 44100 and 1.9 < info.duration < 10.6 for info in seconds)
    assert len(read_sets(recipe / "corpus")["test"]) == 80

    relevant = read_table(tmp_path / "data/relevant_test")
    assert relevant.keys() == test.captions.keys()
    for key, found in relevant.items():
        caption = test.captions[key]
        assert caption.clip in found.split()
        for other, text in test.captions.items():  # the same words fit the same scenes
            if text.text == caption.text:
                assert relevant[other] == found
    assert 2 < np.mean([len(found.split()) for found in relevant.values()]) < 10

    again = tmp_path / "again"
    prepare_scenes(recipe / "corpus", again / "data", again / "audio", small)
    for name in ("train/text", "train_given/text", "test/text", "relevant_test"):
        assert (again / "data" / name).read_bytes() == (tmp_path / "data" / name).read_bytes()
    for name in ("train/scenes_train_0001.flac", "test/scenes_test_0040.flac"):
        assert (again / "audio" / name).read_bytes() == (tmp_path / "audio" / name).read_bytes()


def test_what_is_mixed_is_where_it_should_be(recipe, small):
    """Tones in place of recordings: which is heard when, and how loud."""
    from scenes.mixing import mix_scene

    rate = small.sampling_rate
    time = np.arange(5 * rate) / rate
    tones = [np.sin(2 * np.pi * pitch * time).astype(np.float32) for pitch in (500, 1000, 4000)]
    tones[2][: 4 * rate] = 0  # a recording that is silent for most of its time

    def level(samples, pitch):  # dB of a tone
        there = np.exp(2j * np.pi * pitch * np.arange(len(samples)) / rate) @ samples
        return 20 * np.log10(2 * abs(there) / len(samples) + 1e-9)

    for seed in range(5):
        rng = np.random.default_rng(seed)
        groups = [[(tones[0], False), (tones[1], True)], [(tones[2], False)]]
        scene = mix_scene(rng, groups, small)
        low, high = (2 * seconds for seconds in small.sound_seconds)
        assert low - small.overlap_seconds <= len(scene) / rate <= high
        assert np.abs(scene).max() < 1.0
        start, end = scene[: rate // 2], scene[-rate // 2 :]
        behind = level(start, 500) - level(start, 1000)
        assert abs(behind + small.background_db) <= 2 * small.level_jitter_db + 0.5
        assert level(start, 4000) < -60
        assert max(level(end, 500), level(end, 1000)) < -60
        assert level(scene[-2 * rate :], 4000) > -25  # not one of its silent parts


def test_mistakes_are_named(recipe, small, tmp_path):
    from scenes.corpus import load_config
    from scenes.grammar import Grammar, read_grammars

    text = (recipe / "conf/scenes.yaml").read_text(encoding="utf-8")
    path = tmp_path / "corpus.yaml"
    for old, new, message in (
        ("two_sounds: 0.6", "two_sounds: 6", "two_sounds: 6.0 is not a share"),
        ("scenes: 60", "scenes: 0", "sets: valid: needs a scene"),
        ("[2.0, 3.5]", "[3.0, 2.0]", "sound_seconds: must be a shortest and a longest"),
    ):
        path.write_text(text.replace(old, new), encoding="utf-8")
        with pytest.raises(UserError, match=message):
            load_config(path)
    english = (recipe / "corpus/grammar/eng_Latn.yaml").read_text(encoding="utf-8")
    labels = ["dog", "rain"]
    words = [word for word in yaml.safe_load(english)["sounds"] if word not in labels]
    only = [line for line in english.splitlines() if line.split(":")[0].strip() not in words]
    broken = tmp_path / "eng_Latn.yaml"
    broken.write_text("\n".join(only).replace("{a.noun} can", "{a.nuon} can"), encoding="utf-8")
    with pytest.raises(
        UserError, match="captions: one: '{a.nuon} can be heard.' does not suit dog"
    ):
        Grammar(broken, labels)
    broken.write_text("\n".join(only), encoding="utf-8")
    shorter = "\n".join(only).replace(', "at the start {a.clause}."', "")
    (tmp_path / "fra_Latn.yaml").write_text(shorter, encoding="utf-8")
    path.unlink()
    with pytest.raises(
        UserError, match="fra_Latn.yaml has 1 captions of the kind 'starts', eng_Latn.yaml 2"
    ):
        read_grammars(tmp_path, labels)
