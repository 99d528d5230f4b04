"""Data directories: what is written is read back, and each kind of broken file has its own message."""

import pytest

from espnet_mlclap.fileio.data_dir import Caption, DataDir, caption_id, read_table, write_table
from espnet_mlclap.utils.errors import UserError


@pytest.fixture
def data():
    captions = {}
    for clip in ("a", "b"):
        for lang, text in (("eng_Latn", "A dog  barks."), ("jpn_Jpan", "犬が吠える。")):
            captions[caption_id(clip, lang, 1)] = Caption(text, clip, lang)
    return DataDir(
        wav_scp={"a": "/audio/a file.wav", "b": "/audio/é.flac"},
        durations={"a": 1.5, "b": 2.25},
        captions=captions,
        labels={"a": "dog", "b": "dog"},
    )


def test_what_is_written_is_read_back(data, tmp_path):
    data.write(tmp_path / "set", note="Where it is from.")
    assert DataDir.read(tmp_path / "set") == data
    assert (tmp_path / "set/README").read_text() == "Where it is from.\n"
    assert data.languages == ["eng_Latn", "jpn_Jpan"]


def test_keys_are_sorted_by_their_bytes(tmp_path):
    write_table(tmp_path / "t", {"é": 1, "z": 2, "Z": 3, "a-1": 4, "a": 5, "中": 6})
    assert [line.split()[0] for line in (tmp_path / "t").read_text("utf-8").splitlines()] == [
        "Z",
        "a",
        "a-1",
        "z",
        "é",
        "中",
    ]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("text", None, "text: cannot be read"),
        ("text", b"", "text: the file is empty"),
        ("text", b"a-eng_Latn-1 A.\n", "utt2clip:2: 'a-jpn_Jpan-1' is not in "),
        ("text", b"a-eng_Latn-1 \n", "text:1: 'a-eng_Latn-1' has no value"),
        ("text", b"a-eng_Latn-1\n", "text:1: 'a-eng_Latn-1' has no value"),
        ("text", b" A dog.\n", "text:1: the line has no key"),
        ("text", b"a A.\n\nb B.\n", "text:2: the line has no key"),
        ("text", b"a A.\nb \xe9t\xe9\n", "text:2: not UTF-8 (byte 3 of the line)"),
        ("text", b"a A.\r\nb B.\r\n", "text:1: Windows line end (CRLF)"),
        ("text", b"a A.\nb B.\na C.\n", "text:3: 'a' appears twice"),
        ("utt2lang", (2, "xyz_Latn"), "utt2lang:2: unknown language code 'xyz_Latn'"),
        ("utt2lang", (1, "eng"), "Did you mean eng_Latn?"),
        ("utt2clip", (3, "c"), "utt2clip:3: the clip 'c' is not in"),
        ("clip2dur", (1, "long"), "clip2dur:1: 'long' is not a duration"),
        ("clip2dur", (2, "0"), "clip2dur:2: '0' is not a duration"),
        ("clip2dur", (2, "nan"), "clip2dur:2: 'nan' is not a duration"),
        ("clip2dur", b"a 1.0\n", "wav.scp:2: 'b' is not in"),
        ("clip2label", b"a dog\nc dog\n", "clip2label:2: 'c' is not in"),
        ("wav.scp", b"a /a.wav\nb /b.wav\nc /c.wav\n", "wav.scp:3: the clip 'c' has no caption"),
    ],
)
def test_broken_directories(data, tmp_path, name, content, message):
    data.write(tmp_path / "set")
    path = tmp_path / "set" / name
    if content is None:
        path.unlink()
    elif isinstance(content, tuple):  # another value in one line
        lines = path.read_text("utf-8").splitlines()
        line, value = content
        lines[line - 1] = f"{lines[line - 1].split()[0]} {value}"
        path.write_text("".join(f"{line}\n" for line in lines), "utf-8")
    else:
        path.write_bytes(content)
    with pytest.raises(UserError) as error:
        DataDir.read(tmp_path / "set")
    assert message in str(error.value)
    assert str(tmp_path / "set") in str(error.value)


def test_a_directory_that_is_not_there(tmp_path):
    with pytest.raises(UserError, match="no such data directory"):
        DataDir.read(tmp_path / "set")


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"a b": "x"}, "white space"),
        ({"": "x"}, "empty or has white space"),
        ({"a": " "}, "the value of 'a' is empty"),
        ({"a": "x\ny"}, "line break"),
        ({"a": "x\u2028y"}, "line break"),
    ],
)
def test_what_cannot_be_written_leaves_the_old_file(tmp_path, table, message):
    write_table(tmp_path / "t", {"old": "value"})
    with pytest.raises(UserError, match=message):
        write_table(tmp_path / "t", table)
    assert read_table(tmp_path / "t") == {"old": "value"}
    assert [path.name for path in tmp_path.iterdir()] == ["t"]


def test_sets_that_are_put_together_have_other_ids(data, tmp_path):
    other = DataDir(
        wav_scp={"c": "/c.wav"}, captions={"c-eng_Latn-1": Caption("A cat.", "c", "eng_Latn")}
    )
    data.add(other, tmp_path)
    assert set(data.wav_scp) == {"a", "b", "c"}
    assert len(data.captions) == 5
    with pytest.raises(UserError, match=r"wav.scp: 'c' is also in another set"):
        data.add(other, tmp_path)
