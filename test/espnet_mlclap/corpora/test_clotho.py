"""Clotho: caption files as published, file names with blanks and accents, given test captions."""

import json
import unicodedata

import pytest

from espnet_mlclap.corpora.clotho import prepare_clotho, read_clips
from espnet_mlclap.fileio.data_dir import DataDir
from espnet_mlclap.utils.errors import UserError

HEADER = "file_name,caption_1,caption_2,caption_3,caption_4,caption_5\n"


@pytest.fixture
def corpus(tmp_path):
    (tmp_path / "captions").mkdir()
    for split, names in {
        "development": ["Pão de queijo.wav", "a b.wav"],
        "evaluation": ["x.wav", "y.wav"],
    }.items():
        rows = "".join(f"{name},one,two,three,four,five\n" for name in names)
        (tmp_path / f"captions/clotho_captions_{split}.csv").write_text(HEADER + rows, "utf-8")
        (tmp_path / "audio" / split).mkdir(parents=True)
        for name in names:
            # as a Mac stores it: accents apart from their letters
            (tmp_path / "audio" / split / unicodedata.normalize("NFD", name)).touch()
    return tmp_path


def test_sets_of_a_small_corpus(corpus):
    prepare_clotho(corpus / "captions", corpus / "audio", corpus / "data")
    data = DataDir.read(corpus / "data/clotho_development")
    assert len(data.wav_scp) == 2
    assert len(data.captions) == 10
    assert all(clip.isascii() and " " not in clip for clip in data.wav_scp)
    assert not (corpus / "data/clotho_validation").exists()  # version 1 has none
    (corpus / "captions/clotho_captions_evaluation.csv").unlink()
    with pytest.raises(UserError, match=r"clotho_captions_evaluation.csv: cannot be read"):
        prepare_clotho(corpus / "captions", corpus / "audio", corpus / "data")


def test_given_captions_in_several_languages(corpus):
    def given(name, lang, texts):
        entries = [
            {"wav": f"Clotho/waveforms/test/{clip}.wav", "caption_1": text, "source_lang_1": lang}
            for clip, text in texts.items()
        ]
        (corpus / name).write_text(json.dumps({"data": entries}), "utf-8")
        return corpus / name

    files = [
        given("eng.json", "eng_Latn", {"x": "A dog."}),
        given("fra.json", "fra_Latn", {"x": "Un chien."}),
    ]
    sets = prepare_clotho(
        corpus / "captions", corpus / "audio", corpus / "data", test_captions=files
    )
    assert {(value.lang, value.text) for value in sets["evaluation"].captions.values()} == {
        ("eng_Latn", "A dog."),
        ("fra_Latn", "Un chien."),
    }
    for name, lang, texts, message in [
        ("bad.json", "french", {"x": "Un chien."}, r"data\[0\]: source_lang_1: unknown language"),
        ("bad.json", "fra_Latn", {"x": ""}, r"data\[0\]: caption_1 is empty"),
        ("bad.json", "fra_Latn", {"zzz": "Un chien."}, r"the clip 'zzz' is not in the test split"),
    ]:
        with pytest.raises(UserError, match=message):
            prepare_clotho(
                corpus / "captions",
                corpus / "audio",
                corpus / "data",
                test_captions=[given(name, lang, texts)],
            )


def test_a_name_that_stands_twice(tmp_path):
    (tmp_path / "c.csv").write_text(HEADER + "x.wav,1,2,3,4,5\nx.wav,6,7,8,9,10\n")
    with pytest.raises(UserError, match=r"c.csv:3: 'x.wav' appears already in .*c.csv:2"):
        read_clips(tmp_path / "c.csv")


def test_caption_files_are_read_whole(caption_files, material):
    captions = caption_files / "clotho"
    development = read_clips(captions / "clotho_captions_development.csv")
    evaluation = read_clips(captions / "clotho_captions_evaluation.csv")
    sizes = {"fixtures": (6, 5), "shared": (2893, 1045)}
    assert (len(development), len(evaluation)) == sizes[material]
    assert all(len(clip.captions) == 5 for clip in development + evaluation)
    ids = [clip.clip for clip in development + evaluation]
    assert len(set(ids)) == len(ids)
