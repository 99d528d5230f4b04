"""CASTELLA and Clotho-Moment: from the authors' files to data directories with segments."""

import json

import numpy as np
import pytest
import soundfile

from espnet_mlclap.bin import prepare_corpus
from espnet_mlclap.corpora.fetch import FILES
from espnet_mlclap.fileio.data_dir import DataDir
from espnet_mlclap.fileio.published import read_published
from espnet_mlclap.fileio.segments import read_segments

CASTELLA = {
    "en": [("A car horn honks", [[27, 28], [289, 290]]), ("A door is shut", [[3, 3], [5, 7]])],
    "ja": [("車のクラクションの音がする", [[27, 28], [289, 290]]), ("ドアを閉める音", [[5, 7]])],
}
CLOTHO_MOMENT = [
    {"qid": number, "query": query, "duration": 60, "vid": vid, "relevant_windows": windows}
    for number, (query, vid, windows) in enumerate(
        [
            ("noisy  vehicles", "Wildlife_7.0_67.0", [[17.6, 22.6]]),
            ("a can of paint", "Wildlife_7.0_67.0", [[40.3, 57.3]]),
            ("a bell", "Wildlife_8.0_68.0", [[1, 2]]),
        ]
    )
]


@pytest.fixture
def castella(tmp_path):
    for short, moments in CASTELLA.items():
        rows = [
            {
                "yid": "--0w1YA1Hm4",
                "duration": 299,
                "moments": [{"local_caption": c, "timestamps": t} for c, t in moments],
            },
            {"yid": "-SkjbQVgJ0M", "duration": 100, "moments": []},
            {"yid": "no-audio", "duration": 100, "moments": []},
        ]
        (tmp_path / short).mkdir()
        (tmp_path / short / "test.json").write_text(json.dumps(rows), encoding="utf-8")
    (tmp_path / "test").mkdir()
    for name in ("--0w1YA1Hm4.flac", "-SkjbQVgJ0M.wav"):
        soundfile.write(tmp_path / "test" / name, np.zeros(100), 8000)
    return tmp_path


@pytest.fixture
def clotho_moment(tmp_path):
    lines = "".join(json.dumps(row) + "\n" for row in CLOTHO_MOMENT)
    (tmp_path / "clotho_moment_test_release.jsonl").write_text(lines, encoding="utf-8")
    soundfile.write(tmp_path / "Wildlife_7.0_67.0.wav", np.zeros(100), 8000)
    return tmp_path


def prepare(corpus, folder):
    out = folder / "data"
    where = ["--captions_dir", str(folder), "--audio_dir", str(folder), "--out_dir", str(out)]
    prepare_corpus.main([corpus, *where])
    data = DataDir.read(out / f"{corpus}_test")
    return data, read_segments(out / f"{corpus}_test", data.captions)


def test_castella(castella):
    data, segments = prepare("castella", castella)
    assert {*data.wav_scp} == {"castella_--0w1YA1Hm4"}, "without a moment there is nothing to find"
    assert data.sources == {"castella_--0w1YA1Hm4": "youtube:--0w1YA1Hm4"}
    assert data.languages == ["eng_Latn", "jpn_Jpan"]
    first = segments["castella_--0w1YA1Hm4-jpn_Jpan-1"]
    np.testing.assert_array_equal(first, [[27, 28], [289, 290]])
    assert data.captions["castella_--0w1YA1Hm4-jpn_Jpan-1"].text == "車のクラクションの音がする"
    np.testing.assert_array_equal(segments["castella_--0w1YA1Hm4-eng_Latn-2"], [[5, 7]])


def test_clotho_moment(clotho_moment):
    data, segments = prepare("clotho_moment", clotho_moment)
    (clip,) = data.wav_scp
    assert [data.captions[key].text for key in sorted(data.captions)] == [
        "noisy vehicles",
        "a can of paint",
    ]
    np.testing.assert_array_equal(segments[f"{clip}-eng_Latn-2"], [[40.3, 57.3]])


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("en/test.json", "{}", "must be a list of recordings"),
        ("en/test.json", '[{"yid": "a"}]', "recording 1: must have yid, duration and moments"),
        (
            "en/test.json",
            '[{"yid": "a", "duration": 1, "moments": [{}]}]',
            "a: moment 1: must have",
        ),
        (
            "en/test.json",
            '[{"yid": "a", "duration": 1, "moments": [{"local_caption": "x", "timestamps": [[1]]}]}]',
            "pairs of start and end",
        ),
    ],
)
def test_broken_annotations_of_castella(castella, capsys, name, text, message):
    (castella / name).write_text(text, encoding="utf-8")
    with pytest.raises(SystemExit):
        prepare("castella", castella)
    assert message in capsys.readouterr().err


def test_broken_lists_of_clotho_moment(clotho_moment, capsys):
    path = clotho_moment / "clotho_moment_test_release.jsonl"
    for text, message in (("{", ":1: not JSON"), ("{}", ":1: must have query, vid")):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(SystemExit):
            prepare("clotho_moment", clotho_moment)
        assert message in capsys.readouterr().err
    path.unlink()
    with pytest.raises(SystemExit):
        prepare("clotho_moment", clotho_moment)
    assert "there is no clotho_moment_<split>_release.jsonl" in capsys.readouterr().err


def test_what_is_downloaded_is_what_is_read():
    rows = read_published(FILES)
    for short in ("en", "ja"):
        for split in ("train", "val", "test"):
            assert rows[f"castella_{short}_{split}"].file == f"{split}.json"
    for split in ("val", "test"):
        assert rows[f"clotho_moment_{split}"].file == f"clotho_moment_{split}_release.jsonl"
