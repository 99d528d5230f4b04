"""AudioCaps: caption files as published, audio under its many names, and what is missing."""

import csv
import json

import pytest

from espnet_mlclap.corpora.audiocaps import prepare_audiocaps, read_clips
from espnet_mlclap.fileio.data_dir import DataDir
from espnet_mlclap.utils.errors import UserError

# clips and captions of the caption files, and of the published test list
SIZES = {
    "fixtures": {"train": (8, 8), "val": (3, 15), "test": (6, 30), "list": (5, 25)},
    "shared": {
        "train": (49838, 49838),
        "val": (495, 2475),
        "test": (975, 4875),
        "list": (957, 4785),
    },
}
HEADER = "audiocap_id,youtube_id,start_time,caption\n"


@pytest.fixture
def corpus(tmp_path):
    """One training clip, one of validation, and six test clips with two captions each."""
    (tmp_path / "captions").mkdir()
    rows = {
        "train": [(1, "AAAAAAAAAA0", 30, "Rain")],
        "val": [(2, "BBBBBBBBBB0", 0, "A bell")],
        "test": [
            (10 * clip + number, f"-CCCCCCCCC{clip}", 20, f"Sound {clip}, again" if number else "x")
            for clip in range(6)
            for number in range(2)
        ],
    }
    for split, of_split in rows.items():
        with open(tmp_path / f"captions/{split}.csv", "w", newline="") as file:
            file.write(HEADER)
            csv.writer(file).writerows(of_split)
    return tmp_path


def touch(folder, *names):
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).touch()


def test_audio_is_found_under_its_usual_names_and_what_is_missing_is_listed(corpus):
    touch(corpus / "audio/train", "AAAAAAAAAA0.wav")
    touch(corpus / "audio/val", "YBBBBBBBBBB0.flac")
    names = [
        "Y-CCCCCCCCC0_20.wav",
        "-CCCCCCCCC1_20_30.m4a",
        "-CCCCCCCCC2_20000_30000.mp3",
        "-CCCCCCCCC3_20.000.ogg",
        "40.wav",
    ]
    touch(corpus / "audio/test", *names)
    prepare_audiocaps(corpus / "captions", corpus / "audio", corpus / "data")
    data = DataDir.read(corpus / "data/audiocaps_test")
    assert [path.rpartition("/")[2] for path in data.wav_scp.values()] == names
    assert len(data.captions) == 10
    assert data.captions["Y-CCCCCCCCC0_20-eng_Latn-2"].text == "Sound 0, again"
    assert (corpus / "data/audiocaps_test.missing").read_text() == "Y-CCCCCCCCC5_20\n"
    assert (corpus / "data/audiocaps_train.missing").read_text() == ""


def test_no_audio_at_all_says_what_was_looked_for(corpus):
    touch(corpus / "audio", "other.wav")
    with pytest.raises(UserError, match="none of the 1 clips of audiocaps_train .*YAAAAAAAAAA0_30"):
        prepare_audiocaps(corpus / "captions", corpus / "audio", corpus / "data")
    with pytest.raises(UserError, match="AUDIOCAPS_AUDIO"):
        prepare_audiocaps(corpus / "captions", corpus / "nowhere", corpus / "data")


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (
            "1,AAAA,30,Rain\n1,BBBB,30,Wind\n",
            r"x.csv:3: the audiocap_id 1 appears already in .*x.csv:2",
        ),
        ("1,AAAA,thirty,Rain\n", r"x.csv:2: start_time 'thirty'"),
        ("1,AAAA,30,\n", r"x.csv:2: the caption is empty"),
    ],
)
def test_broken_caption_files(tmp_path, rows, message):
    (tmp_path / "x.csv").write_text(HEADER + rows)
    with pytest.raises(UserError, match=message):
        read_clips(tmp_path / "x.csv")


def test_caption_files_are_read_whole(caption_files, material):
    for split in ("train", "val", "test"):
        clips = read_clips(caption_files / f"audiocaps/{split}.csv")
        size = (len(clips), sum(len(clip.captions) for clip in clips))
        assert size == SIZES[material][split]


def test_given_test_captions_choose_clips_and_captions(caption_files, material, tmp_path, caplog):
    captions = caption_files / "audiocaps"
    clips = {split: read_clips(captions / f"{split}.csv") for split in ("train", "val", "test")}
    for split, some in clips.items():
        for clip in some if split == "test" else some[:2]:
            touch(tmp_path / "audio" / split, f"{clip.stems[-2]}.wav")
    caplog.set_level("INFO")
    sets = prepare_audiocaps(
        captions,
        tmp_path / "audio",
        tmp_path / "data",
        test_captions=[captions / "ml_clap_test.json"],
    )
    size = (len(sets["test"].wav_scp), len(sets["test"].captions))
    assert size == SIZES[material]["list"]
    published = (
        "as published for the test list"
        if material == "shared"
        else "which is not a published size"
    )
    assert f"{size[0]} clips with {size[1]} captions are named, {published}" in caplog.text
    train = SIZES[material]["train"][0]
    assert f"{train - 2} of {train} clips have no audio" in caplog.text
    of_csv = {clip.clip: clip.captions for clip in clips["test"]}
    first = next(iter(sets["test"].wav_scp))
    mine = [value.text for value in sets["test"].captions.values() if value.clip == first]
    assert sorted(mine) == sorted(text for _, text in of_csv[first])


def test_a_list_chooses_the_test_clips(corpus):
    touch(corpus / "audio", "AAAAAAAAAA0.wav", "BBBBBBBBBB0.wav", "1.wav", "10.wav")
    (corpus / "list.txt").write_text("audio/test/Y-CCCCCCCCC1.wav\n\nY-CCCCCCCCC0_20\n")
    sets = prepare_audiocaps(
        corpus / "captions", corpus / "audio", corpus / "data", test_list=corpus / "list.txt"
    )
    assert list(sets["test"].wav_scp) == ["Y-CCCCCCCCC0_20", "Y-CCCCCCCCC1_20"]
    assert sets["test"].sources["Y-CCCCCCCCC1_20"] == "youtube:-CCCCCCCCC1"
    (corpus / "list.txt").write_text("Y-CCCCCCCCC1\nnobody\n")
    with pytest.raises(UserError, match="list.txt:2: the clip 'nobody' is not in the test split"):
        prepare_audiocaps(
            corpus / "captions", corpus / "audio", corpus / "data", test_list=corpus / "list.txt"
        )


def test_a_list_chooses_the_clips_and_given_captions_theirs(corpus, caplog):
    touch(corpus / "audio", "AAAAAAAAAA0.wav", "BBBBBBBBBB0.wav", "1.wav", "10.wav")
    (corpus / "list.txt").write_text("Y-CCCCCCCCC0_20\nY-CCCCCCCCC1_20\n")
    names = ["x/Y-CCCCCCCCC1.wav", "x/-CCCCCCCCC1_20.wav", "x/-CCCCCCCCC2_20.wav"]
    for number, name in enumerate(names):
        entry = {"wav": name, "caption_1": f"Vent {number}", "source_lang_1": "fra_Latn"}
        (corpus / f"{number}.json").write_text(json.dumps({"data": [entry]}))
    sets = prepare_audiocaps(
        corpus / "captions",
        corpus / "audio",
        corpus / "data",
        test_list=corpus / "list.txt",
        test_captions=[corpus / f"{number}.json" for number in (0, 1, 2, 0)],
    )
    assert list(sets["test"].wav_scp) == ["Y-CCCCCCCCC0_20", "Y-CCCCCCCCC1_20"]
    captions = sets["test"].captions.values()
    texts = [caption.text for caption in captions if caption.clip == "Y-CCCCCCCCC1_20"]
    assert texts == ["Vent 0", "Vent 1"], "two names of one clip are one clip, one file once"
    assert {caption.lang for caption in captions if caption.clip == "Y-CCCCCCCCC0_20"} == {
        "eng_Latn"
    }
    assert "1 of its 2 clips have their own captions alone" in caplog.text


def test_a_caption_file_that_is_not_whole_is_noticed(corpus, caplog):
    touch(corpus / "audio", "AAAAAAAAAA0.wav", "BBBBBBBBBB0.wav", "1.wav", "10.wav")
    prepare_audiocaps(corpus / "captions", corpus / "audio", corpus / "data")
    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert any("which is not a published size (version 1: 49838" in text for text in warnings)
