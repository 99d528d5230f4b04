"""Columns that are written while the files of text are read are those of the whole set in memory."""

import numpy as np
import pytest

from espnet_mlclap.fileio import set_stream
from espnet_mlclap.fileio.data_dir import Caption, DataDir
from espnet_mlclap.fileio.set_stream import OutOfStep, stream_columns
from espnet_mlclap.fileio.set_table import SetTable, make_set_table, read_set_table
from espnet_mlclap.utils.errors import UserError

LANGS = ("eng_Latn", "jpn_Jpan", "deu_Latn")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A formatted set whose files are read in many blocks, with all files that a clip can be in."""
    monkeypatch.setattr(set_stream, "_LINES", 7)
    generator = np.random.default_rng(0)
    data = DataDir(extra={"utt2num_samples": {}, "clip2md5": {}, "feats_type": {}})
    clips = [f"{'clip' if n % 3 else 'ü𝄞'}{n}" for n in generator.permutation(40)]
    for number, clip in enumerate(clips):
        data.wav_scp[clip] = f"/some where/{clip}.flac "
        data.durations[clip] = number + 0.5
        data.labels[clip] = "two words"
        data.sources[clip] = f"youtube:{number}"
        data.extra["utt2num_samples"][clip] = str(16000 * number + 1)
        data.extra["clip2md5"][clip] = f"{number:032x}"
        for n in range(1 + number % 4):
            key = f"{clip}-{n}"
            data.captions[key] = Caption(f"words  犬 {number % 5}", clip, LANGS[(number + n) % 3])
            if n and number % 2:
                data.caption_sources[key] = f"{clip}-0"
    del data.extra["feats_type"]
    data.write(tmp_path / "set")
    (tmp_path / "set" / "feats_type").write_text("raw\n")
    return tmp_path / "set"


def columns(folder):
    return {path.stem: path.read_bytes() for path in folder.glob("*.npy")}


@pytest.mark.parametrize("formatted", [True, False])
@pytest.mark.parametrize("with_sources", [True, False])
def test_the_files_are_the_same_to_the_bit(folder, tmp_path, formatted, with_sources):
    if not with_sources:
        (folder / "utt2source").unlink()
    streamed, whole = tmp_path / "streamed", tmp_path / "whole"
    streamed.mkdir()
    whole.mkdir()
    langs = stream_columns(folder, streamed, formatted=formatted)
    data = DataDir.read(folder)
    clips = {"wav_scp": data.wav_scp, "samples": data.extra["utt2num_samples"]}
    table = SetTable.of(data.captions, data.caption_sources, **(clips if formatted else {}))
    for name, array in table.arrays.items():
        np.save(whole / f"{name}.npy", array)
    assert langs == table.langs
    assert columns(streamed) == columns(whole)


def changed(name, change):
    """Change the lines of a file."""

    def apply(folder):
        lines = (folder / name).read_text(encoding="utf-8").splitlines(keepends=True)
        lines = change(lines)
        (folder / name).write_text("".join(lines), encoding="utf-8", newline="")

    return apply


def one(change, at=9):
    return lambda lines: [change(line) if n == at else line for n, line in enumerate(lines)]


MISTAKES = [
    changed("text", one(lambda line: line.split()[0] + "\n")),
    changed("text", one(lambda line: line.replace("\n", "\r\n"))),
    changed("text", one(lambda line: line.replace("words", "\0"))),
    changed("text", lambda lines: [*lines, lines[3]]),
    changed("text", lambda lines: [*lines[:9], "\n", *lines[9:]]),
    changed("text", lambda lines: []),
    changed("utt2lang", lambda lines: lines[:-1]),
    changed("utt2lang", lambda lines: [*lines, "zz eng_Latn\n"]),
    changed("utt2lang", one(lambda line: line.replace("_", "-"))),
    changed("utt2clip", one(lambda line: line.replace("\n", "x\n"))),
    changed("utt2source", lambda lines: [*lines, "zz a\n"]),
    changed("wav.scp", lambda lines: [*lines, "zz /a.flac\n"]),
    changed("clip2dur", one(lambda line: line.split()[0] + " -1\n")),
    changed("clip2label", lambda lines: lines[1:]),
    changed("clip2source", lambda lines: [*lines, "zz a\n"]),
    changed("utt2num_samples", one(lambda line: line.split()[0] + " many\n")),
    changed("clip2md5", one(lambda line: line.replace("0", "g"))),
    lambda folder: (folder / "feats_type").write_text("cooked\n"),
    lambda folder: (folder / "text").write_bytes(b"a \xff\n"),
    lambda folder: (folder / "utt2clip").unlink(),
]


@pytest.mark.parametrize("mistake", MISTAKES)
def test_what_is_wrong_is_said_as_ever(folder, mistake):
    mistake(folder)
    with pytest.raises(UserError) as expected:
        read_set_table(folder, formatted=True)
    with pytest.raises(UserError) as found:
        make_set_table(folder)
    assert str(found.value) == str(expected.value)
    assert not (folder / "columns").exists()


@pytest.mark.parametrize("name", ["text", "utt2source", "wav.scp"])
def test_files_in_another_order_make_the_same_columns(folder, tmp_path, name):
    make_set_table(folder)
    before = columns(folder / "columns")
    changed(name, lambda lines: lines[::-1])(folder)
    with pytest.raises(OutOfStep):
        stream_columns(folder, tmp_path, formatted=True)
    assert make_set_table(folder)
    assert columns(folder / "columns") == before
