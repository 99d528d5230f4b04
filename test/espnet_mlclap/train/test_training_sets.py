"""Training sets and translations as one, against what was written."""

import pytest

from espnet_mlclap.fileio.data_dir import Caption, DataDir, read_caption_sources, write_table
from espnet_mlclap.train.training_sets import read_training_languages, read_training_sets
from espnet_mlclap.utils.errors import UserError


def write_set(folder, clips, lang):
    data = DataDir(extra={"utt2num_samples": {}})
    for number, clip in enumerate(clips, 1):
        data.wav_scp[clip] = f"{clip}.flac"
        data.durations[clip] = number
        data.extra["utt2num_samples"][clip] = str(16000 * number)
        data.captions[f"{clip}.1"] = Caption(f"A {clip}", clip, lang)
    data.write(folder)
    return folder


def write_translations(folder, clips, lang, sources):
    captions = {f"{clip}.{lang}": Caption(f"Un {clip}", clip, lang) for clip in clips}
    DataDir(captions=captions).write(folder)
    if sources:
        write_table(folder / "utt2source", {f"{clip}.{lang}": f"{clip}.1" for clip in clips})
    return folder


@pytest.fixture
def folders(tmp_path):
    return {
        "one": write_set(tmp_path / "one", ["a", "b"], "eng_Latn"),
        "two": write_set(tmp_path / "two", ["c"], "eng_Latn"),
        "nld": write_set(tmp_path / "nld", ["d"], "nld_Latn"),
        "one_le": write_translations(tmp_path / "one_le", ["a", "b"], "fra_Latn", sources=True),
        "two_le": write_translations(tmp_path / "two_le", ["c"], "deu_Latn", sources=False),
    }


def test_sets_are_put_together(folders):
    sets = read_training_sets(
        [folders["one"], folders["two"]],
        weights=[1.0, 0.5],
        translations=[folders["one_le"], folders["two_le"]],
    )
    assert sets.lengths == {"a": 16000.0, "b": 32000.0, "c": 16000.0}
    assert set(sets.wav_scp) == {"a", "b", "c"}
    assert set(sets.originals) == {"a.1", "b.1", "c.1"}
    assert set(sets.translations) == {"a.fra_Latn", "b.fra_Latn", "c.deu_Latn"}
    assert sets.weights == {"a": 1.0, "b": 1.0, "c": 0.5}
    sources = {key: sets.translations.source(key) for key in sets.translations}
    assert sources["a.fra_Latn"] == "a.1"
    assert sources["b.fra_Latn"] == "b.1"
    assert sources["c.deu_Latn"] == "c.deu_Latn"  # nobody knows
    assert read_training_sets([folders["one"]]).weights == {}


@pytest.mark.parametrize(
    ("names", "translations", "le_langs", "every", "source"),
    [
        (["one"], [], None, {"eng_Latn"}, "eng_Latn"),
        (
            ["one", "two"],
            ["one_le", "two_le"],
            None,
            {"eng_Latn", "fra_Latn", "deu_Latn"},
            "eng_Latn",
        ),
        (["one"], ["one_le", "two_le"], ["fra_Latn"], {"eng_Latn", "fra_Latn"}, "eng_Latn"),
        (["nld"], [], None, {"nld_Latn"}, "nld_Latn"),
        (["one", "nld"], [], None, {"eng_Latn", "nld_Latn"}, None),
    ],
)
def test_languages(folders, names, translations, le_langs, every, source):
    languages = read_training_languages(
        [folders[name] for name in names],
        translations=[folders[name] for name in translations],
        le_langs=le_langs,
    )
    assert languages.all == every
    assert languages.source == source


def test_what_is_wrong_is_named(folders, tmp_path):
    with pytest.raises(UserError, match="at least one formatted training set"):
        read_training_sets([])
    with pytest.raises(UserError, match="'a' is also in another training set"):
        read_training_sets([folders["one"], write_set(tmp_path / "again", ["a"], "eng_Latn")])
    (folders["two"] / "utt2num_samples").unlink()
    with pytest.raises(UserError, match="utt2num_samples is missing. Run stage 3"):
        read_training_sets([folders["two"]])
    with pytest.raises(UserError, match="nowhere: no such data directory"):
        read_training_languages([tmp_path / "nowhere"])
    captions = DataDir.read(folders["one_le"]).captions
    write_table(folders["one_le"] / "utt2source", {"stranger": "a.1"})
    with pytest.raises(UserError, match=r"utt2source:1: 'stranger' is not in .*text"):
        read_caption_sources(folders["one_le"], captions)
