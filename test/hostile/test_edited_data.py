"""Data, scores and logs edited by hand"""

import json
import os
import zlib

import numpy as np
import pytest
import soundfile

from espnet_mlclap.utils.errors import UserError

TABLES = ("wav.scp", "text", "utt2clip", "utt2lang", "clip2dur", "utt2num_samples")
CONTENTS = {
    "gone": None,
    "empty": b"",
    "blank": b"\n\n",
    "Latin-1": b"c1 caf\xe9\n",
    "CRLF": b"c1 x\r\n",
    "other keys": b"c9 x\n",
    "no values": b"c1\n",
    "twice": b"c1 1\nc1 1\n",
    "binary": bytes(range(256)),
    "negative": b"c1 -1\n",
    "not numbers": b"c1 nan\n",
    "a pipe": "pipe",
    "a folder": "folder",
    "nothing behind the link": "link",
}


def put(path, content):
    """Put bytes, or something that is no file, at a path."""
    path.unlink(missing_ok=True)
    if content == "pipe":
        os.mkfifo(path)
    elif content == "folder":
        path.mkdir()
    elif content == "link":
        path.symlink_to(path.with_name("nowhere"))
    elif content is not None:
        path.write_bytes(content)


@pytest.fixture
def formatted(tmp_path):
    """A formatted set of one clip."""
    from espnet_mlclap.fileio.data_dir import Caption, DataDir

    soundfile.write(tmp_path / "x.flac", np.zeros(1600), 16000)
    data = DataDir(
        wav_scp={"c1": str(tmp_path / "x.flac")},
        durations={"c1": 0.1},
        captions={"c1-eng_Latn-1": Caption("A dog barks.", "c1", "eng_Latn")},
        extra={"utt2num_samples": {"c1": "1600"}},
    )
    data.write(tmp_path / "set")
    return tmp_path / "set"


@pytest.mark.parametrize("content", CONTENTS)
@pytest.mark.parametrize("name", TABLES)
def test_a_data_directory(formatted, small_model, name, content):
    """A file of a data directory is gone, empty, foreign, no file or does not fit: said, and no hang."""
    from espnet_mlclap.evaluation.embed_set import embed_set
    from espnet_mlclap.fileio.data_dir import DataDir
    from espnet_mlclap.inference import MLCLAP

    put(formatted / name, CONTENTS[content])
    optional = name in ("clip2dur", "utt2num_samples") and content in (
        "gone",
        "nothing behind the link",
    )
    if not optional:
        with pytest.raises(UserError):
            embed_set(MLCLAP.from_pretrained(small_model).model, DataDir.read(formatted))


@pytest.mark.parametrize("content", ["foo\n", "", "raw raw\n", "RAW\n", "raw\nlog_mel\n"])
def test_what_a_set_holds(formatted, content):
    """feats_type says what there is not: an error with the allowed words."""
    from espnet_mlclap.fileio.data_dir import DataDir

    for word in ("raw", "log_mel"):
        (formatted / "feats_type").write_text(f"{word}\n")
        DataDir.read(formatted)
    (formatted / "feats_type").write_text(content)
    with pytest.raises(UserError, match="feats_type: .*raw, log_mel"):
        DataDir.read(formatted)


@pytest.mark.parametrize(
    "content", ["c1 xyz\n", "c2 " + 32 * "0" + "\n", "c1 " + 31 * "0" + "\n", "c1\n"]
)
def test_sums_of_samples(formatted, content):
    """clip2md5 with other clips, or with what is no MD5: an error with the line."""
    from espnet_mlclap.fileio.data_dir import DataDir

    (formatted / "clip2md5").write_text("c1 " + 32 * "a" + "\n")
    DataDir.read(formatted)
    (formatted / "clip2md5").write_text(content)
    with pytest.raises(UserError, match="clip2md5:1: "):
        DataDir.read(formatted)


@pytest.mark.parametrize(
    "name", ["audio_embeddings.npy", "text_embeddings.npy", "clip_ids", "checksums"]
)
def test_embeddings_that_are_others(tmp_path, name):
    """Embeddings of stage 6, their ids or checksums that were changed into others: named."""
    from espnet_mlclap.evaluation.embeddings import EmbeddingSet, read_embeddings, write_embeddings

    rows = np.eye(3, 8, dtype=np.float32)
    ids, langs = ["a", "b", "c"], ["eng_Latn"] * 3
    captions = [f"{clip}-eng_Latn-1" for clip in ids]
    written = EmbeddingSet(tmp_path, rows, ids, rows, captions, np.arange(3), langs)
    write_embeddings(tmp_path / "test", written)
    assert read_embeddings(tmp_path / "test").captions == captions
    path = tmp_path / "test" / name
    if path.suffix == ".npy":
        changed = np.load(path)
        changed[1, 1] = 0.9999
        np.save(path, changed)
    elif name == "clip_ids":
        path.write_text("b\na\nc\n")
    else:
        path.write_text("0" * 32 + path.read_text()[32:])
    with pytest.raises(UserError, match="has changed since it was written.*stage 6"):
        read_embeddings(tmp_path / "test")


@pytest.mark.parametrize(
    "location", ["/dev/zero", "/dev/stdin", "x.ark:-5", "x.ark:99999999999", "touch x |", "/"]
)
def test_places_of_audio(formatted, small_model, location):
    """wav.scp names a device, a folder, a command or a wrong place in an archive: an error with the place."""
    from espnet_mlclap.evaluation.embed_set import embed_set
    from espnet_mlclap.fileio.audio import AudioError
    from espnet_mlclap.fileio.data_dir import DataDir
    from espnet_mlclap.inference import MLCLAP

    (formatted / "x.ark").write_bytes(
        b"c1 \x00BFM \x04\x01\x00\x00\x00\x04\x01\x00\x00\x00" + bytes(4)
    )
    (formatted / "wav.scp").write_text(
        f"c1 {location.replace('x.ark', str(formatted / 'x.ark'))}\n"
    )
    with pytest.raises(AudioError):
        embed_set(MLCLAP.from_pretrained(small_model).model, DataDir.read(formatted))


METADATA = {
    "lone surrogate": '{"file_name": "a.wav", "caption": "dog \\ud83d"}',
    "deep": "[" * 200_000,
    "deep object": '{"file_name":' * 100_000,
    "huge number": '{"file_name": "a.wav", "caption": ' + "9" * 10_000 + "}",
    "not JSON": "{'file_name': 'a.wav'}",
    "list": '["a.wav", "x"]',
    "nested": '{"file_name": {"a": 1}, "caption": "x"}',
    "NaN": '{"file_name": "a.wav", "caption": NaN}',
    "long name": json.dumps({"file_name": "n" * 5000, "caption": "x"}),
    "name of a folder": '{"file_name": ".", "caption": "x"}',
    "outside": '{"file_name": "../../a.wav", "caption": "x"}',
    "absolute": '{"file_name": "/etc/hostname", "caption": "x"}',
    "NUL": '{"file_name": "a\\u0000.wav", "caption": "x"}',
    "empty caption": '{"file_name": "a.wav", "caption": " "}',
    "unknown language": '{"file_name": "a.wav", "caption": "x", "lang": "zh-TW"}',
}


@pytest.mark.parametrize("kind", METADATA)
def test_metadata(tmp_path, kind):
    """A line of metadata.jsonl is broken, deep, huge, or names what it may not: said with its line."""
    from espnet_mlclap.corpora.audio_folder import read_split

    folder = tmp_path / "c/train"
    folder.mkdir(parents=True)
    soundfile.write(folder / "a.wav", np.zeros(160), 16000)
    good = '{"file_name": "a.wav", "caption": "good"}\n'
    (folder / "metadata.jsonl").write_text(good + METADATA[kind] + "\n")
    with pytest.raises(UserError, match=r"metadata\.jsonl:2"):
        read_split(folder)


def test_metadata_that_is_no_file(tmp_path):
    """metadata.csv is a FIFO: said, not waited for."""
    from espnet_mlclap.corpora.audio_folder import read_split

    (tmp_path / "train").mkdir()
    os.mkfifo(tmp_path / "train/metadata.csv")
    with pytest.raises(UserError, match=r"metadata\.csv.*a pipe"):
        read_split(tmp_path / "train")


def npy(header):
    """A .npy file with this header and sixteen bytes of data."""
    text = header.encode() + b" " * (118 - len(header)) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + bytes(16)


MATRICES = {
    "huge": npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1099511627776, 512)}"),
    "negative": npy("{'descr': '<f4', 'fortran_order': False, 'shape': (-1, 4)}"),
    "objects": npy("{'descr': '|O', 'fortran_order': False, 'shape': (2, 1)}"),
    "strings": npy("{'descr': '<U1', 'fortran_order': False, 'shape': (2, 2)}"),
    "integers": npy("{'descr': '<i4', 'fortran_order': False, 'shape': (2, 2)}"),
    "complex": npy("{'descr': '<c8', 'fortran_order': False, 'shape': (1, 2)}"),
    "one dimension": npy("{'descr': '<f4', 'fortran_order': False, 'shape': (4,)}"),
    "code": npy("__import__('os').system('true')"),
    "deep": npy("(" * 110),
    "empty": b"",
    "text": b"no array",
    "pickle": b"\x80\x04K\x01.",
    "NaN": npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2)}")[:-16] + b"\xff" * 16,
    "a pipe": "pipe",
}


@pytest.mark.parametrize("kind", MATRICES)
def test_matrices(tmp_path, kind):
    """A .npy file of embeddings with a huge or broken header, another type, NaN: said with its name."""
    from espnet_mlclap.evaluation.embeddings import read_matrix

    put(tmp_path / "audio_embeddings.npy", MATRICES[kind])
    with pytest.raises(UserError, match=r"audio_embeddings\.npy"):
        read_matrix(tmp_path / "audio_embeddings.npy")


ENTRY = '{"test": {"source_lang": "eng_Latn", "eng_Latn": {"clips": 1, "captions": 1, "t2a": {}, "a2t": {}}}}'
DOCUMENTS = [
    "", "7", "[]", '{"a": 1}', '{"test": {}}', "{", "[" * 100_000, '{"eng_Latn": {"interval": 3}}', "\ud83d",
    ENTRY.replace('"clips": 1', '"clips": "x"'), ENTRY.replace('"t2a": {}', '"t2a": 3'),
    ENTRY.replace('"a2t": {}', '"a2t": {"R@1": "x"}'),
]  # fmt: skip


@pytest.mark.parametrize("document", DOCUMENTS)
def test_scores(tmp_path, document):
    """scores.json, zero_shot.json or history.jsonl of another layout: said with its name."""
    from espnet_mlclap.evaluation.scores import read_scores
    from espnet_mlclap.evaluation.zero_shot import read_zero_shot_scores
    from espnet_mlclap.reports.history import read_history

    for name in ("scores.json", "zero_shot.json", "history.jsonl"):
        (tmp_path / name).write_bytes(document.encode("utf-8", "surrogatepass"))
    for read, where in (
        (read_scores, tmp_path / "scores.json"),
        (read_zero_shot_scores, tmp_path / "zero_shot.json"),
        (read_history, tmp_path),
    ):
        if read is read_history and not document:
            continue
        with pytest.raises(UserError, match=r"(scores|zero_shot)\.json|history\.jsonl"):
            read(where)


@pytest.mark.parametrize(
    "record",
    [7, [], {"by": "x"}, {"by": 1, "source": "a", "target": "b", "pairs": []}, None,
     {"by": "BY", "source": "a", "target": "b", "pairs": [["x"]]},
     {"by": "BY", "source": "a", "target": "b", "pairs": [[1, 2]]},
     {"by": "BY", "source": ["a"], "target": "b", "pairs": [["x", "y"]]}],
)  # fmt: skip
def test_journals(tmp_path, record):
    """A line of a journal of translations with a right checksum and a wrong content: left out."""
    from espnet_mlclap.language_enhancement.journal import Journal

    with Journal(tmp_path / "j", {"a": 1}) as journal:
        journal.write("eng_Latn", "fra_Latn", ["a dog"], ["un chien"])
        by = json.loads((tmp_path / "j").read_bytes().partition(b" ")[2])["by"]
        data = b"[" * 100_000 if record is None else json.dumps(record).replace("BY", by).encode()
        with open(tmp_path / "j", "ab") as file:
            file.write(f"{zlib.crc32(data):08x} ".encode() + data + b"\n")
        assert journal.read() == {("eng_Latn", "fra_Latn", "a dog"): "un chien"}
