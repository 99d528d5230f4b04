"""The recordings that the recipe brings: what they are, who made them, and the sets made of them."""

import csv
import re

import pytest
import soundfile

from espnet_mlclap.fileio.data_dir import DataDir
from espnet_mlclap.utils.errors import UserError

MEGABYTES = 9.0


def listed(recipe):
    with open(recipe / "corpus/clips.tsv", encoding="utf-8") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def test_every_recording_is_there_and_attributed(recipe):
    folder = recipe / "corpus"
    rows = listed(recipe)
    names = {f"{row['split']}/{row['file_name']}" for row in rows}
    assert names == {str(path.relative_to(folder)) for path in folder.glob("*/*.opus")}
    assert len(rows) == len(names) == 238
    table = re.findall(
        r"^\| (\S+) \| \[.+\]\(http\S+\) \| .+ \| (CC0 1.0|CC BY 3.0) \|$",
        (folder / "ATTRIBUTION.md").read_text(encoding="utf-8"),
        re.MULTILINE,
    )
    assert sorted(name for name, _ in table) == sorted(row["file_name"][:-5] for row in rows)
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    assert size < MEGABYTES * 1e6


def test_libsndfile_reads_all_of_a_recording_at_48_khz(recipe):
    for row in listed(recipe)[::12]:
        info = soundfile.info(recipe / "corpus" / row["split"] / row["file_name"])
        assert (info.samplerate, info.channels) == (48000, 1)
        assert 5.0 <= info.duration < 8.0


def test_captions_and_labels_are_those_of_the_shared_corpus(recipe, shared_dir):
    from esc10_corpus import read_captions_of_labels

    captions = read_captions_of_labels(recipe / "corpus/captions.tsv")
    for split in ("train", "test"):
        with open(shared_dir / f"data/esc10/{split}/metadata.csv", encoding="utf-8") as file:
            theirs = {}
            for row in csv.DictReader(file):
                key = (row["file_name"][:-4], row["label"])
                theirs.setdefault(key, set()).add((row["lang"], row["caption"]))
        for row in listed(recipe):
            if row["split"] == split:
                texts = captions[row["label"]]
                ours = {(lang, text) for lang in texts for text in texts[lang]}
                assert theirs[row["file_name"][:-5], row["label"]] == ours


def test_the_sets_share_no_freesound_recording(recipe, tmp_path):
    from esc10_corpus import prepare_esc10

    prepare_esc10(recipe / "corpus", tmp_path)
    sets = {name: DataDir.read(tmp_path / name) for name in ("train", "valid", "test")}
    given = DataDir.read(tmp_path / "train_given")
    assert sum(len(data.wav_scp) for data in sets.values()) == 238
    for one, other in (("train", "valid"), ("train", "test"), ("valid", "test")):
        assert not set(sets[one].sources.values()) & set(sets[other].sources.values())
    assert all(len(set(data.labels.values())) == 10 for data in sets.values())
    assert sets["train"].languages == ["eng_Latn"]
    assert len(given.languages) == 7
    assert "eng_Latn" not in given.languages
    assert {c.clip for c in given.captions.values()} == set(sets["train"].wav_scp)
    assert len(sets["test"].languages) == len(sets["valid"].languages) == 8


def test_what_is_missing_is_named(recipe, tmp_path):
    from esc10_corpus import prepare_esc10

    (tmp_path / "clips.tsv").write_text("split\tfile_name\tlabel\ntrain\t1-2-A.opus\tdog\n")
    with pytest.raises(UserError, match="1-2-A.opus: named in .*clips.tsv, but not there"):
        prepare_esc10(tmp_path, tmp_path / "data")
    (tmp_path / "train").mkdir()
    (tmp_path / "train/1-2-A.opus").touch()
    with pytest.raises(UserError, match="captions.tsv: cannot be read"):
        prepare_esc10(tmp_path, tmp_path / "data")
    (tmp_path / "captions.tsv").write_text("label\tlang\tcaption\ncat\teng_Latn\tA cat.\n")
    with pytest.raises(UserError, match="no captions of 'dog'"):
        prepare_esc10(tmp_path, tmp_path / "data")
    (tmp_path / "captions.tsv").write_text("label\tcaption\n")
    with pytest.raises(UserError, match="captions.tsv:1: the columns must be label lang caption"):
        prepare_esc10(tmp_path, tmp_path / "data")
