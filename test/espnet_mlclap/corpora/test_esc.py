"""ESC-10 and ESC-50: fetched from a local server, unpacked as a whole or in part, read with their folds."""

import argparse
import hashlib
import io
import zipfile

import pytest

from espnet_mlclap.corpora import fetch
from espnet_mlclap.corpora.esc import download_esc, prepare_esc, read_label_captions
from espnet_mlclap.corpora.registry import corpora
from espnet_mlclap.fileio.data_dir import DataDir
from espnet_mlclap.fileio.published import read_published
from espnet_mlclap.utils.errors import UserError

# two recordings of ESC-10 and one other in each fold
ROWS = [
    (f"{fold}-{100 * fold + target}-A-{target}.wav", fold, target, label, esc10, 100 * fold + target)
    for fold in range(1, 6)
    for target, label, esc10 in ((0, "dog", True), (20, "crying_baby", True), (7, "pouring_water", False))
]  # fmt: skip
LIST = "filename,fold,target,category,esc10,src_file,take\n" + "".join(
    ",".join(map(str, row)) + ",A\n" for row in ROWS
)


def archive(*, without=""):
    """The repository as GitHub packs it."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("ESC-50-33c8/LICENSE", "each recording's author")
        packed.writestr("ESC-50-33c8/README.md", "# ESC-50")
        packed.writestr("ESC-50-33c8/meta/esc50.csv", LIST)
        packed.writestr("ESC-50-33c8/meta/esc50-human.xlsx", b"not wanted")
        for row in ROWS:
            if row[0] != without:
                packed.writestr(f"ESC-50-33c8/audio/{row[0]}", b"RIFF" + row[0].encode() * 50)
    return file.getvalue()


@pytest.fixture
def server(http_server, monkeypatch, tmp_path):
    """A server in GitHub's place, which sends `server.archive`; the table has its size and checksum."""
    row = read_published(fetch.FILES)["esc50_archive"]
    path = row.url.removeprefix("https://github.com")
    text = fetch.FILES.read_text(encoding="utf-8").replace(
        "https://github.com", http_server.address
    )
    monkeypatch.setattr(fetch, "FILES", tmp_path / "files.yaml")
    monkeypatch.setattr("espnet_mlclap.fileio.download._PAUSE", 0.0)

    def serve(body, published=None):
        http_server.files[path] = body
        published = published or body
        changed = text.replace(row.sha256, hashlib.sha256(published).hexdigest())
        changed = changed.replace(f"size: {row.size}", f"size: {len(published)}")
        fetch.FILES.write_text(changed, encoding="utf-8")

    http_server.serve = serve
    serve(archive())
    return http_server


@pytest.mark.parametrize(("esc10_only", "number"), [(True, 10), (False, 15)])
def test_it_is_fetched_once_and_continues(server, tmp_path, esc10_only, number):
    server.break_after = [300]
    download_esc(tmp_path, esc10_only=esc10_only)
    assert any(wanted == "bytes=300-" for _, wanted in server.requests)
    names = sorted(path.name for path in (tmp_path / "audio").iterdir() if path.name[0] != ".")
    wanted = [row[0] for row in ROWS if row[4] or not esc10_only]
    assert len(wanted) == number
    assert names == sorted([*wanted, "LICENSE", "README.md", "esc50.csv"])
    assert not list(tmp_path.glob("*.zip")), "the archive is gone once unpacked"
    server.requests = []
    download_esc(tmp_path, esc10_only=esc10_only)
    assert not server.requests


def test_what_is_not_the_published_archive_leaves_no_folder(server, tmp_path):
    whole = archive()
    server.serve(whole[:-1] + b"?", published=whole)
    with pytest.raises(UserError, match="esc50_archive: .*not the published file"):
        download_esc(tmp_path, esc10_only=True)
    lacking = archive(without=ROWS[1][0])
    server.serve(lacking)
    with pytest.raises(UserError, match=rf"\.zip: damaged \({ROWS[1][0]} is not in it\)"):
        download_esc(tmp_path, esc10_only=True)
    assert not (tmp_path / "audio").exists()


def test_damage_inside_of_the_archive_is_seen(server, tmp_path):
    whole = bytearray(archive())
    at = whole.index(ROWS[0][0].encode()) + len(ROWS[0][0]) + 10  # in its compressed bytes
    whole[at] ^= 255
    server.serve(bytes(whole))
    with pytest.raises(UserError, match=r"\.zip: damaged \("):
        download_esc(tmp_path, esc10_only=True)
    assert not (tmp_path / "audio").exists()


@pytest.fixture
def corpus(server, tmp_path):
    download_esc(tmp_path, esc10_only=False)
    return tmp_path / "audio"


def test_folds_labels_and_sources(corpus, tmp_path):
    sets = prepare_esc(corpus, corpus, tmp_path / "data", esc10_only=False, test_fold=2)
    assert [len(sets[name].wav_scp) for name in ("train", "valid", "test")] == [9, 3, 3]
    test = DataDir.read(tmp_path / "data/esc50_test")
    assert test.wav_scp.keys() == {row[0][:-4] for row in ROWS if row[1] == 2}
    assert test.labels["2-220-A-20"] == "crying_baby"
    assert test.sources["2-220-A-20"] == "freesound:220"
    assert test.captions["2-220-A-20-eng_Latn-1"].text == "The sound of crying baby."
    folds = [{clip[0] for clip in sets[name].wav_scp} for name in ("train", "valid", "test")]
    assert folds == [{"1", "3", "5"}, {"4"}, {"2"}]


def test_captions_of_labels(corpus, tmp_path):
    path = tmp_path / "captions.tsv"
    lines = "label\tlang\tcaption\ndog\teng_Latn\tA dog.\ndog\tfra_Latn\tUn chien.\ndog\teng_Latn\tBarking.\n"
    path.write_text(lines, encoding="utf-8")
    assert read_label_captions(path)["dog"][1] == ("fra_Latn", "Un chien.")
    with pytest.raises(UserError, match="captions.tsv: there is no caption of 'crying_baby'"):
        prepare_esc(corpus, corpus, tmp_path / "data", esc10_only=True, captions=path)
    path.write_text(lines + "crying_baby\teng_Latn\tA baby.\n", encoding="utf-8")
    sets = prepare_esc(corpus, corpus, tmp_path / "data", esc10_only=True, captions=path)
    assert sorted(sets["test"].captions) == [
        "5-500-A-0-eng_Latn-1", "5-500-A-0-eng_Latn-2", "5-500-A-0-fra_Latn-1", "5-520-A-20-eng_Latn-1",
    ]  # fmt: skip
    for lines, message in (
        ("label\tcaption\n", "captions.tsv:1: the columns must be label lang caption"),
        ("label\tlang\tcaption\ndog\teng_Latn\t\n", "captions.tsv:2: must have a label"),
        ("label\tlang\tcaption\ndog\tenglish\tA dog.\n", "captions.tsv:2: unknown language"),
    ):
        path.write_text(lines, encoding="utf-8")
        with pytest.raises(UserError, match=message):
            read_label_captions(path)


def test_mistakes_are_named(corpus, tmp_path):
    with pytest.raises(UserError, match="folds 4 and 6"):
        prepare_esc(corpus, corpus, tmp_path / "data", esc10_only=True, test_fold=6)
    (corpus / "esc50.csv").write_text(LIST.replace("wav,3,", "wav,7,"), encoding="utf-8")
    with pytest.raises(UserError, match="esc50.csv:8: fold: '7' is not one of 1 to 5"):
        prepare_esc(corpus, corpus, tmp_path / "data", esc10_only=True)


def test_the_commands_know_them():
    for name in ("esc10", "esc50"):
        corpus = corpora.get(name)()
        parser = argparse.ArgumentParser()
        corpus.add_prepare_options(parser)
        assert parser.parse_args([]).test_fold == 5
