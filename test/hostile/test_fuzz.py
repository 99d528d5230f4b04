"""Readers against mutated files

Valid files with bytes overwritten, cut, doubled or moved, and text that nobody would write: each reader gives
what it promises or a `UserError` that can be read. The mutations are bounded in number and the same in each
run; `HYPOTHESIS_PROFILE=long` tries many more, other ones each time. What was found is an `@example`.
"""

import io
import json
import os
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

hypothesis = pytest.importorskip("hypothesis")

from hypothesis import HealthCheck, example, given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from espnet_mlclap.corpora.rows import read_rows  # noqa: E402
from espnet_mlclap.evaluation.embeddings import read_embeddings  # noqa: E402
from espnet_mlclap.fileio.data_dir import DataDir, read_table  # noqa: E402
from espnet_mlclap.language_enhancement.journal import Journal  # noqa: E402
from espnet_mlclap.utils.config import read_config  # noqa: E402
from espnet_mlclap.utils.errors import UserError  # noqa: E402

settings.register_profile(
    "short",
    max_examples=60,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
settings.register_profile(
    "long", settings.get_profile("short"), max_examples=20_000, derandomize=False
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "short"))
pytestmark = pytest.mark.seconds(60 if settings().max_examples < 1000 else 3600)

_BYTES = [
    b"\0",
    b"\n",
    b"\r\n",
    b'"',
    b",",
    b"\xff",
    b"\xed\xa0\x80",
    b"-1",
    b"{",
    b"[" * 3000,
    b"../",
    b"&a",
]


@st.composite
def mutated(draw, content):
    """`content` after one to four changes: bytes overwritten, put in, taken out, doubled."""
    data = bytearray(content)
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, len(data)))
        length = draw(st.sampled_from([0, 1, 1, 2, 4, 16, len(data)]))
        new = draw(
            st.one_of(st.binary(min_size=1, max_size=8), st.sampled_from(_BYTES), st.just(b""))
        )
        if draw(st.integers(0, 9)) == 0:
            new = bytes(data[place : place + length]) * 2
        data[place : place + length] = new
    return bytes(data)


def attempt(read, files):
    """Read files by name in a folder of their own: what came of it, None after a `UserError`."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for path, content in files.items():
            (folder / path).write_bytes(content)
        try:
            return read(folder)
        except UserError as error:
            message = str(error)
    assert 0 < len(message) < 5000
    return None


CSV = 'file_name,caption,lang,label\na.wav,"A dog, barking",eng_Latn,dog\nb.wav,Rain ☂,eng_Latn,rain\n'
JSONL = """{"file_name": "a.wav", "caption": "A dog \\ud83d\\ude00"}
{"file_name": "b.wav", "caption": "Rain"}
"""


@pytest.mark.parametrize(
    ("name", "content"), [("m.csv", CSV), ("m.jsonl", JSONL)], ids=["csv", "jsonl"]
)
def test_metadata(name, content):
    """Metadata in CSV and JSON Lines: rows of text in UTF-8, or an error."""

    @given(mutated(content.encode()))
    @example(b"\xef\xbb\xbf" + content.encode())
    @example(b"file_name,caption\n" + b'"' * 99_999)
    @example(b'{"file_name": "a", "caption": ' + b"[" * 50_000)
    @example(b'{"file_name": "a", "caption": ' + b"1" * 5000 + b"}")
    def run(data):
        rows = attempt(
            lambda folder: read_rows(folder / name, ("file_name", "caption")), {name: data}
        )
        for row in rows or ():
            assert row.values["caption"].strip()
            "".join(row.values.values()).encode()

    run()


TABLES = {
    "wav.scp": b"a /x/a.wav\nb /x/b.wav\n",
    "clip2dur": b"a 1.0\nb 2.5\n",
    "utt2num_samples": b"a 16000\nb 40000\n",
    "text": b"a-eng_Latn-1 A dog\nb-eng_Latn-1 Rain\n",
    "utt2clip": b"a-eng_Latn-1 a\nb-eng_Latn-1 b\n",
    "utt2lang": b"a-eng_Latn-1 eng_Latn\nb-eng_Latn-1 eng_Latn\n",
}


@pytest.mark.parametrize("name", list(TABLES))
def test_data_directories(name):
    """Each table of a data directory: tables that agree, or an error."""

    @given(mutated(TABLES[name]))
    def run(content):
        data = attempt(DataDir.read, {**TABLES, name: content})
        if data is not None:
            assert {caption.clip for caption in data.captions.values()} == set(data.wav_scp)
            assert all(0 < seconds < float("inf") for seconds in data.durations.values())
            assert all(int(value) > 0 for value in data.extra["utt2num_samples"].values())

    run()


def test_tables_of_anything():
    """Any text at all as a table."""

    @given(st.text(max_size=200))
    def run(text):
        table = attempt(
            lambda folder: read_table(folder / "text"),
            {"text": text.encode("utf-8", "surrogatepass")},
        )
        assert table is None or all(key and value for key, value in table.items())

    run()


def journal_of_two_batches():
    with tempfile.TemporaryDirectory() as folder:
        with Journal(Path(folder) / "journal", {"translator": "x"}) as journal:
            journal.write("eng_Latn", "fra_Latn", ["a dog", "rain"], ["un chien", "la pluie"])
            journal.write("eng_Latn", "deu_Latn", ["a dog"], ["ein Hund"])
        return (Path(folder) / "journal").read_bytes()


def test_journals():
    """A journal of translations: of what was written, what is whole, and nothing else."""
    written = {"un chien", "la pluie", "ein Hund"}

    @given(mutated(journal_of_two_batches()))
    def run(content):
        def read(folder):
            with Journal(folder / "journal", {"translator": "x"}) as journal:
                return journal.read()

        found = attempt(read, {"journal": content})
        assert found is not None
        assert set(found.values()) <= written

    run()


CONFIG = b"a: &x {b: 1, c: [1, 2.5, null]}\nd: *x\nbase: other.yaml\ne: 2026-01-01\n"


def test_configurations():
    """A configuration with a base: values by name, or an error."""

    @given(mutated(CONFIG))
    @example(b"a: 1-2-99999999999999\n")
    @example(b"? [a, b]\n: c\n")
    @example(b"? {a: b}\n: c\n")
    @example(b"a: " + b"9" * 5000)
    @example(b"a: !!int x\n")
    @example(b"a: !!float 0x\nb: !!timestamp 1\n")
    @example(b"<<: [a]\n")
    @example(b"base: ../\n")
    @example(b"base: 'a\\0b'\n")
    @example(b'base: "a\\0b"\n')
    def run(content):
        config = attempt(
            lambda folder: read_config(folder / "c.yaml"),
            {"c.yaml": content, "other.yaml": b"f: 1\n"},
        )
        assert config is None or isinstance(config, dict)

    run()


def packed_model():
    out = io.BytesIO()
    members = {"meta.yaml": b"files: {model_file: e/m.pth}\nyaml_files: {config: e/c.yaml}\n"}
    with zipfile.ZipFile(out, "w") as file:
        for name, content in {**members, "e/c.yaml": b"a: 1\n", "e/m.pth": b"weights"}.items():
            file.writestr(name, content)
    return out.getvalue()


def test_packed_models():
    """A packed model: its files inside of the folder, or an error."""
    from espnet_mlclap.fileio.unpacking import unpack

    @given(mutated(packed_model()))
    def run(content):
        def read(folder):
            files = unpack(folder / "m.zip", folder / "out")
            assert all(path.is_file() for path in files.values())
            return {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}

        found = attempt(read, {"m.zip": content})
        assert all(path.parts[0] in ("out", "m.zip") for path in found or ())

    run()


def embeddings():
    array = io.BytesIO()
    np.save(array, np.eye(2, 4, dtype=np.float32))
    return {
        "audio_embeddings.npy": array.getvalue(),
        "text_embeddings.npy": array.getvalue(),
        "clip_ids": b"a\nb\n",
        "caption_ids": b"a-1 a eng_Latn\nb-1 b deu_Latn\n",
    }


@pytest.mark.parametrize("name", list(embeddings()))
def test_embeddings(name):
    """Embeddings of a test set: finite rows with ids, or an error."""
    files = embeddings()

    @given(mutated(files[name]))
    def run(content):
        found = attempt(read_embeddings, {**files, name: content})
        if found is not None:
            assert np.isfinite(found.audio).all()
            assert len(found.audio) == len(found.clips)
            assert len(found.text) == len(found.captions) == len(found.langs)

    run()


def archive():
    import kaldiio

    out = io.BytesIO()
    kaldiio.save_ark(out, {"a": np.eye(3, 64, dtype=np.float32)})
    samples = (16000, np.arange(800, dtype=np.int16))
    kaldiio.save_ark(
        out, {"b": samples}, write_function="soundfile", write_kwargs={"format": "flac"}
    )
    return out.getvalue()


def test_archives():
    """Entries of an archive: numbers of the right form, or an error."""
    content = archive()
    places = (2, content.index(b"AUDIO"))

    @given(mutated(content), st.sampled_from(places))
    def run(data, offset):
        from espnet_mlclap.fileio.audio import load_clip

        clip = attempt(lambda folder: load_clip(f"{folder}/x.ark:{offset}"), {"x.ark": data})
        assert clip is None or clip.dtype == np.float32

    run()


def shard():
    from espnet_mlclap.fileio.tar_members import add_member, end_tar

    out = io.BytesIO()
    for number in range(3):
        add_member(out, f"k{number}.flac", b"fLaC" + bytes(40 * number))
        add_member(out, f"k{number}.json", b'{"captions": {"fra_Latn": ["a", "b"]}, "label": "x"}')
        add_member(out, f"k{number}.txt", b"rain")
    end_tar(out)
    return out.getvalue()


def test_shards():
    """A shard: clips that lie within it, or an error."""

    @given(mutated(shard()))
    def run(data):
        from espnet_mlclap.corpora.webdataset import read_shards

        found = attempt(read_shards, {"0.tar": data})
        for place in () if found is None else found.wav_scp.values():
            assert 0 <= int(place.rpartition(":")[2]) < len(data)

    run()


def test_members_of_shards():
    """A place in a shard: samples, or an error."""
    import soundfile

    from espnet_mlclap.fileio.audio import load_clip
    from espnet_mlclap.fileio.tar_members import add_member, end_tar

    out, sound = io.BytesIO(), io.BytesIO()
    soundfile.write(sound, np.arange(800, dtype=np.int16), 16000, format="FLAC")
    for number in range(2):
        add_member(out, f"k{number}.flac", sound.getvalue())
    end_tar(out)

    @given(mutated(out.getvalue()), st.integers(0, 12).map(lambda block: 512 * block))
    def run(data, offset):
        clip = attempt(lambda folder: load_clip(f"{folder}/x.tar:{offset}"), {"x.tar": data})
        assert clip is None or clip.dtype == np.float32

    run()


def test_forged_journal_lines():
    """Lines of a journal with right checksums and anything else in them."""
    import zlib

    values = st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
        ),
        max_leaves=6,
    )
    keys = st.fixed_dictionaries(
        {}, optional=dict.fromkeys(("by", "source", "target", "pairs"), values)
    )

    @given(st.lists(keys | values, max_size=3))
    def run(records):
        lines = [json.dumps(record).encode() for record in records]
        content = b"".join(b"%08x %s\n" % (zlib.crc32(line), line) for line in lines)

        def read(folder):
            with Journal(folder / "journal", {"translator": "x"}) as journal:
                return journal.read()

        assert attempt(read, {"journal": content}) == {}

    run()
