"""WavCaps: four sources, what is left out because test sets have it, broken files."""

import json
import shutil

import pytest

from espnet_mlclap.corpora.wavcaps import BLACKLIST, SOURCES, prepare_wavcaps, read_clips
from espnet_mlclap.fileio.data_dir import Caption, DataDir, caption_id
from espnet_mlclap.utils.errors import UserError

IDS = {
    "audioset": ["Y-aBc_dEfGhI.wav", "Yin_test_set.wav", "Yon_the_list.wav"],
    "bbc": ["NHU05104037", "0700"],
    "freesound": ["17", "18", "19"],
    "soundbible": ["17", "2219"],
}


@pytest.fixture
def corpus(tmp_path):
    for name, ids in IDS.items():
        source = SOURCES[name]
        rows = [{"id": key, "caption": f"A sound\n{key}.", "duration": 1.5} for key in ids]
        content = rows if name == "soundbible" else {"num_captions_per_audio": 1, "data": rows}
        path = tmp_path / "json_files" / source.folder / source.captions
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(content))
        (tmp_path / "audio" / source.folder).mkdir(parents=True)
        for key in ids:
            stem = key.removesuffix(".wav")
            (tmp_path / "audio" / source.folder / f"{stem}.flac").touch()
    path = tmp_path / "json_files" / BLACKLIST
    path.parent.mkdir()
    path.write_text(json.dumps({"AudioSet": ["Yon_the_list.wav"], "FreeSound": ["18"]}))
    test = DataDir(wav_scp={"Yin_test_set_20": "x.wav", "clotho_x": "y.wav"})
    test.sources = {"Yin_test_set_20": "youtube:in_test_set", "clotho_x": "freesound:19"}
    for clip in test.wav_scp:
        test.captions[caption_id(clip, "eng_Latn", 1)] = Caption("A dog", clip, "eng_Latn")
    test.write(tmp_path / "data/test")
    return tmp_path


def prepare(corpus, **options):
    return prepare_wavcaps(
        corpus / "json_files", corpus / "audio", corpus / "data", **options
    )  # fmt: skip


def test_a_set_for_each_source_without_what_test_sets_have(corpus):
    sets = prepare(corpus, exclude=[corpus / "data/test"])
    assert {name: sorted(data.wav_scp) for name, data in sets.items()} == {
        "audioset": ["wavcaps_audioset_Y-aBc_dEfGhI"],
        "bbc": ["wavcaps_bbc_0700", "wavcaps_bbc_NHU05104037"],
        "freesound": ["wavcaps_freesound_17"],
        "soundbible": ["wavcaps_soundbible_17", "wavcaps_soundbible_2219"],
    }
    assert (corpus / "data/wavcaps_audioset.excluded").read_text().split() == [
        "wavcaps_audioset_Yin_test_set", "wavcaps_audioset_Yon_the_list",
    ]  # fmt: skip
    data = DataDir.read(corpus / "data/wavcaps_soundbible")
    assert data.captions["wavcaps_soundbible_17-eng_Latn-1"].text == "A sound 17."
    assert data.wav_scp["wavcaps_soundbible_17"].endswith("SoundBible/17.flac")
    assert data.sources["wavcaps_soundbible_17"] == "soundbible:17"


def test_lists_are_as_chosen(corpus):
    sets = prepare(corpus, sources=["freesound"], blacklists=[])
    assert len(sets["freesound"].wav_scp) == 3
    (corpus / "json_files" / BLACKLIST).unlink()
    with pytest.raises(UserError, match="blacklist_exclude_test_ac.json: cannot be read"):
        prepare(corpus)
    (corpus / "list.json").write_text("[1]")
    with pytest.raises(UserError, match="list.json: not of the form"):
        prepare(corpus, blacklists=[corpus / "list.json"])


def test_sources_without_audio_are_named_and_left_out(corpus, caplog):
    for name in ("audioset", "bbc", "freesound"):
        shutil.rmtree(corpus / "audio" / SOURCES[name].folder)
    assert list(prepare(corpus)) == ["soundbible"]
    assert "has no FreeSound, so there is no wavcaps_freesound" in caplog.text
    assert "(published: 1232)" in caplog.text
    with pytest.raises(UserError, match="no such folder of audio"):
        prepare(corpus, sources=["bbc"])
    shutil.rmtree(corpus / "audio" / SOURCES["soundbible"].folder)
    with pytest.raises(UserError, match="has none of the folders AudioSet_SL, BBC_Sound_Effects"):
        prepare(corpus)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "x.json:1: broken JSON"),
        ("{}", "no list of clips"),
        ('[{"caption": "x"}]', 'row 0: there is no "id"'),
        ('[{"id": 1, "caption": " "}]', "row 0: the caption of 1 is empty"),
        (
            '[{"id": 1, "caption": "a"}, {"id": "1", "caption": "b"}]',
            "row 1: the id 1 appears twice",
        ),
    ],
)
def test_broken_files(tmp_path, content, message):
    (tmp_path / "x.json").write_text(content)
    with pytest.raises(UserError, match=message):
        read_clips(tmp_path / "x.json", "bbc")
