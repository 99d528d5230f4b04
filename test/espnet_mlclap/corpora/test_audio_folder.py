"""AudioFolder: real recordings, awkward names, and every kind of broken metadata."""

import json
import shutil

import numpy as np
import pytest
import soundfile

from espnet_mlclap.corpora.audio_folder import prepare_audio_folder, read_split
from espnet_mlclap.fileio.data_dir import DataDir
from espnet_mlclap.utils.errors import UserError


def make_split(folder, names, metadata, suffix="csv"):
    folder.mkdir(parents=True)
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(folder / name, np.zeros(160), 16000)
    content = metadata if isinstance(metadata, bytes) else metadata.encode("utf-8")
    (folder / f"metadata.{suffix}").write_bytes(content)
    return folder


def test_ten_sounds(ten_sounds, material, tmp_path):
    sets = prepare_audio_folder(ten_sounds, tmp_path)
    train, valid, test = (140, 20, 80) if material == "shared" else (30, 10, 20)
    sizes = {name: len(data.wav_scp) for name, data in sets.items()}
    assert sizes == {"train": train, "valid": valid, "test": test}
    data = DataDir.read(tmp_path / "test")
    assert data == sets["test"]
    assert len(data.captions) == 12 * test
    assert len(data.languages) == 8
    assert len(set(data.labels.values())) == 10
    by_label = [list(sets["valid"].labels.values()).count(x) for x in set(data.labels.values())]
    assert by_label == [valid / 10] * 10  # of each label its share
    clips = {name: set(data.wav_scp) for name, data in sets.items()}
    assert not clips["train"] & clips["valid"]
    again = prepare_audio_folder(ten_sounds, tmp_path)
    assert list(again["valid"].wav_scp) == list(sets["valid"].wav_scp)


def test_awkward_names_become_safe_and_distinct_ids(tmp_path):
    names = ["a b.wav", "a_b.wav", "Größe/été ☂.wav", "x.wav", "x.flac", "日本語.wav"]
    rows = "".join(f"{name},A sound.\n" for name in names)
    data = read_split(make_split(tmp_path / "test", names, "file_name,caption\n" + rows))
    assert len(data.wav_scp) == len(names)
    for clip, path in data.wav_scp.items():
        assert clip.isascii()
        assert not set(clip) & set(" /")
        assert (tmp_path / path).is_file()
    data.write(tmp_path / "data")
    assert DataDir.read(tmp_path / "data").wav_scp == data.wav_scp


def test_json_lines_and_csv_say_the_same(tmp_path):
    rows = [
        {"file_name": "x.wav", "caption": "Ein Hund, laut", "lang": "deu_Latn", "label": "dog"},
        {"file_name": "x.wav", "caption": "A dog", "label": "dog"},
    ]
    lines = "\n".join(json.dumps(row) for row in rows) + "\n\n"
    csv = (
        "\ufefffile_name,caption,lang,label,other\r\n"
        'x.wav,"Ein Hund, laut",deu_Latn,dog,\r\nx.wav,A dog,,dog,1\r\n'
    )
    one = read_split(make_split(tmp_path / "a/train", ["x.wav"], lines, "jsonl"))
    other = read_split(make_split(tmp_path / "b/train", ["x.wav"], csv))
    assert one.captions == other.captions
    assert one.labels == other.labels == {"train_x": "dog"}
    assert {caption.lang for caption in one.captions.values()} == {"deu_Latn", "eng_Latn"}


@pytest.mark.parametrize(
    ("column", "meant"),
    [("language", "lang"), ("Lang", "lang"), ("Label", "label"), ("labels", "label")],
)
def test_a_misspelt_column_is_an_error(tmp_path, column, meant):
    table = f"file_name,caption,{column}\nx.wav,Un chien.,fra_Latn\n"
    lines = json.dumps({"file_name": "x.wav", "caption": "Un chien.", column: "fra_Latn"})
    for suffix, metadata in (("csv", table), ("jsonl", lines)):
        folder = make_split(tmp_path / suffix, ["x.wav"], metadata, suffix)
        message = f"metadata.{suffix}: unknown column '{column}'. Call it '{meant}'"
        with pytest.raises(UserError, match=message):
            read_split(folder)


def test_other_columns_are_named_once(tmp_path, caplog):
    caplog.set_level("INFO")
    header = "file_name,caption,lang,license,caption_2,language\n"
    rows = "x.wav,A dog.,,CC0,A cat.,en\nx.wav,Un chien.,fra_Latn,CC0,,fr\n"
    folder = make_split(tmp_path / "train", ["x.wav"], header + rows)
    assert len(read_split(folder).captions) == 2
    assert caplog.messages == [
        f"{folder}/metadata.csv: columns that are not used: caption_2, language, license"
    ]


HEADER = "file_name,caption,lang,label\n"


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ("file_name,text\nx.wav,A dog.\n", "metadata.csv:1: there is no column 'caption'"),
        (HEADER, "metadata.csv: there is no row"),
        (HEADER + "x.wav,,eng_Latn,\n", "metadata.csv:2: the caption is empty"),
        (HEADER + "x.wav,A dog.,,\nx.wav,  ,,\n", "metadata.csv:3: the caption is empty"),
        (HEADER + "x.wav,A dog.,english,\n", "metadata.csv:2: unknown language code 'english'"),
        (HEADER + "y.wav,A dog.,,\n", "metadata.csv:2: the audio file"),
        (
            HEADER + "x.wav,A dog, barking,eng_Latn,\n",
            "metadata.csv:2: 5 fields, but the header has 4",
        ),
        (HEADER + "x.wav,A dog.,,\nx.wav,A dog.,,\n", "metadata.csv:3: the row repeats"),
        (HEADER + "x.wav,A,,dog\nx.wav,B,,cat\n", "metadata.csv:3: the label of 'x.wav' is 'cat'"),
        (HEADER + 'x.wav,"A dog.,,\n', "metadata.csv:2: broken CSV"),
        (HEADER.encode() + b"x.wav,A dog.,,\nx.wav,\xe9t\xe9,,\n", "metadata.csv:3: not UTF-8"),
    ],
)
def test_broken_csv(tmp_path, metadata, message):
    folder = make_split(tmp_path / "train", ["x.wav"], metadata)
    with pytest.raises(UserError) as error:
        read_split(folder)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        (
            '{"file_name": "x.wav", "caption": "A"}\n{"file_name": \n',
            "metadata.jsonl:2: broken JSON",
        ),
        ('["x.wav", "A dog."]\n', "metadata.jsonl:1: not a JSON object"),
        (
            '{"file_name": "x.wav", "caption": ["A dog."]}\n',
            "metadata.jsonl:1: the value of 'caption'",
        ),
        ('{"file_name": "x.wav"}\n', "metadata.jsonl:1: there is no 'caption'"),
    ],
)
def test_broken_json_lines(tmp_path, metadata, message):
    folder = make_split(tmp_path / "train", ["x.wav"], metadata, "jsonl")
    with pytest.raises(UserError) as error:
        read_split(folder)
    assert message in str(error.value)


def test_a_missing_file_is_left_to_formatting_when_bad_audio_is_skipped(tmp_path):
    rows = "file_name,caption\nx.wav,A dog.\ny.wav,A cat.\n"
    data = read_split(make_split(tmp_path / "train", ["x.wav"], rows), skip_bad_audio=True)
    assert set(data.wav_scp) == {"train_x", "train_y"}


def test_splits_that_are_not_there(tmp_path):
    rows = "file_name,caption\nx.wav,A dog.\n"
    make_split(tmp_path / "c/train", ["x.wav"], rows)
    with pytest.raises(UserError, match="there is no folder test/"):
        prepare_audio_folder(tmp_path / "c", tmp_path / "data")
    assert not (tmp_path / "data").exists()
    shutil.copytree(tmp_path / "c/train", tmp_path / "c/test")
    (tmp_path / "c/test/metadata.csv").rename(tmp_path / "c/test/captions.csv")
    with pytest.raises(UserError, match="no metadata.csv or .jsonl"):
        prepare_audio_folder(tmp_path / "c", tmp_path / "data")


def test_few_clips_validate_on_themselves_and_a_given_split_is_used(tmp_path, caplog):
    rows = "file_name,caption\nx.wav,A dog.\n"
    for split in ("train", "test"):
        make_split(tmp_path / "c" / split, ["x.wav"], rows)
    sets = prepare_audio_folder(tmp_path / "c", tmp_path / "data")
    assert "validation uses these clips too" in caplog.text
    assert sets["valid"] == sets["train"]
    make_split(tmp_path / "c/dev", ["z.wav"], rows.replace("x", "z"))
    assert set(prepare_audio_folder(tmp_path / "c", tmp_path / "data")["valid"].wav_scp) == {
        "dev_z"
    }


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ("file_name;caption\na.wav;x\n", "metadata.csv:1: semicolons stand between the fields"),
        ("file_name\tcaption\na.wav\tx\n", "metadata.csv:1: tabs stand between the fields"),
        (
            "file_name,caption\n.,x\n",
            r"metadata.csv:2: \. leads out of|the audio file .* does not exist",
        ),
        (
            "file_name,caption\n/etc/hostname,x\n",
            "metadata.csv:2: /etc/hostname is an absolute path",
        ),
        ("file_name,caption\n../../x.wav,x\n", "metadata.csv:2: .*leads out of"),
        (
            f"file_name,caption\n{'n' * 5000}.wav,x\n",
            "metadata.csv:2: the audio file .* does not exist",
        ),
        ("caption,file_name\nrain\nand wind,a.wav\n", "metadata.csv:2: 1 fields.*over two lines"),
    ],
)
def test_tables_as_programs_and_people_write_them(tmp_path, metadata, message):
    folder = make_split(tmp_path / "c/train", ["a.wav"], metadata)
    with pytest.raises(UserError, match=message):
        read_split(folder)


def test_half_an_emoji_is_named_with_its_line(tmp_path):
    lines = '{"file_name": "a.wav", "caption": "dog \\ud83d"}\n'
    folder = make_split(tmp_path / "c/train", ["a.wav"], lines, "jsonl")
    with pytest.raises(UserError, match=r"metadata.jsonl:1: .*half a character"):
        read_split(folder)


def test_columns_without_a_name_are_passed_over(tmp_path):
    folder = make_split(tmp_path / "c/train", ["a.wav"], "file_name,caption,,\na.wav,x,,\n")
    assert [caption.text for caption in read_split(folder).captions.values()] == ["x"]


def test_a_word_for_an_empty_cell_is_said(tmp_path, caplog):
    folder = make_split(tmp_path / "c/train", ["a.wav"], "file_name,caption\na.wav,nan\n")
    assert [caption.text for caption in read_split(folder).captions.values()] == ["nan"]
    assert "1 captions are 'nan'" in caplog.text


def test_blanks_at_the_ends_of_a_name_are_part_of_it(tmp_path):
    names = [" a.wav", "b.wav ", "c.wav"]
    rows = 'file_name,caption\n" a.wav",x\n"b.wav ",y\n" c.wav ",z\n'
    data = read_split(make_split(tmp_path / "c/train", ["c.wav"], rows), skip_bad_audio=True)
    for name in names[:2]:
        (tmp_path / "c/train" / name).touch()
    data = read_split(tmp_path / "c/train")
    data.write(tmp_path / "data")
    paths = DataDir.read(tmp_path / "data").wav_scp.values()
    assert sorted(path.rpartition("/")[2] for path in paths) == names
