"""Statistics of a small corpus counted by hand, and leakage put there on purpose."""

import json

import numpy as np
import pytest
import soundfile

from espnet_mlclap.bin.check_data import main
from espnet_mlclap.fileio.data_dir import Caption, DataDir, caption_id
from espnet_mlclap.fileio.format_audio import format_audio
from espnet_mlclap.fileio.statistics import normal_caption

GENERATOR = np.random.default_rng(0)
SHARED = GENERATOR.uniform(-0.5, 0.5, 8000)


def make_set(folder, clips, labels=None, sources=None):
    """clips: id -> (sound, seconds, [(language, caption)])."""
    data = DataDir(labels=labels or {}, sources=sources or {})
    folder.mkdir()
    for clip, (sound, seconds, captions) in clips.items():
        if sound is None:
            sound = GENERATOR.uniform(-0.5, 0.5, round(16000 * seconds))
        soundfile.write(folder / f"{clip}.wav", sound, 16000)
        data.wav_scp[clip] = str(folder / f"{clip}.wav")
        for number, (lang, text) in enumerate(captions, 1):
            data.captions[caption_id(clip, lang, number)] = Caption(text, clip, lang)
    format_audio(data, folder / "formatted", wav_scp="wav.scp")
    return folder / "formatted"


@pytest.fixture
def corpus(tmp_path):
    eng = "eng_Latn"
    train = make_set(
        tmp_path / "train",
        {
            "a": (SHARED, 0.5, [(eng, "A dog barks."), (eng, "a dog, barks")]),
            "b": (SHARED, 0.5, [(eng, "A dog barks!")]),
            "c": (None, 2.0, [(eng, "Rain."), ("fra_Latn", "Pluie.")]),
        },
        labels={"a": "dog", "b": "dog", "c": "rain"},
        sources={"a": "youtube:one", "b": "freesound:1"},
    )
    test = make_set(
        tmp_path / "test",
        {
            "c": (None, 1.0, [(eng, "Wind."), (eng, "RAIN")]),
            "d": (SHARED, 0.5, [("fra_Latn", "Rain."), (eng, "Snow.")]),
        },
        sources={"c": "youtube:one", "d": "freesound:2"},
    )
    return tmp_path, train, test


def test_counts_repetitions_and_leakage(corpus):
    folder, train, test = corpus
    arguments = ["--train_data_dir", str(train), "--test_data_dir", str(test)]
    main([*arguments, "--out_dir", str(folder / "stats")])
    facts = json.loads((folder / "stats/statistics.json").read_text())
    assert facts["sets"][str(train)] == {
        "clips": 3,
        "captions": 5,
        "captions_per_clip": [1, 2],
        "captions_by_language": {"eng_Latn": 4, "fra_Latn": 1},
        "repeated_captions": {"of_one_clip": 1, "of_all_clips": 2},
        "hours": 0.001,
        "seconds": {"shortest": 0.5, "mean": 1.0, "longest": 2.0},
        "repeated_recordings": 1,
        "clips_by_label": {"dog": 2, "rain": 1},
    }
    assert facts["leakage"] == [
        {
            "train": str(train),
            "test": str(test),
            "clip_ids": ["c"],
            "sources": ["c"],
            "recordings": ["d"],
            "captions": 25.0,  # "RAIN" alone: the French "Rain." is another language
        }
    ]
    table = (folder / "stats/statistics.txt").read_text()
    assert f"LEAKAGE: {test} and {train} share 1 clip ids (c ...)" in table
    assert f"LEAKAGE: {test} and {train} share 1 recordings (d ...)" in table
    assert f"{train}: 1 recordings appear twice" in table
    assert "25.0 % of the captions" in table


def test_translations_are_counted_without_audio(corpus):
    folder, train, test = corpus
    translations = DataDir(captions={"a-fra_Latn-1": Caption("Un chien.", "a", "fra_Latn")})
    translations.write(folder / "train_le")
    arguments = ["--train_data_dir", str(train), "--le_data_dir", str(folder / "train_le")]
    main([*arguments, "--test_data_dir", str(test), "--out_dir", str(folder / "stats")])
    facts = json.loads((folder / "stats/statistics.json").read_text())
    counts = facts["sets"][str(folder / "train_le")]
    assert counts["captions_by_language"] == {"fra_Latn": 1}
    assert "hours" not in counts


def test_equal_captions_have_letters_and_digits_in_common():
    def normal(text, lang="eng_Latn"):
        return normal_caption(Caption(text, "x", lang))

    assert normal("A dog, barking!") == normal("a dog barking")
    assert normal("Été 2") == normal("été  2.")
    assert normal("犬が吠える。", "jpn_Jpan") == normal("犬が吠える", "jpn_Jpan")
    assert normal("rain") != normal("rain", "fra_Latn")
    assert normal("कि", "hin_Deva") != normal("क", "hin_Deva")  # marks are part of a word
