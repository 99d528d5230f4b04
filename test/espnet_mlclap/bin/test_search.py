"""`mlclap index` and `mlclap search` on a small trained model: what they print, what is embedded again."""

import json
import shutil

import numpy as np
import pytest
import soundfile

from espnet_mlclap.bin import index, pack, search
from espnet_mlclap.inference import MLCLAP

pytestmark = pytest.mark.usefixtures("data_home")


@pytest.fixture
def recordings(tmp_path):
    folder = tmp_path / "my recordings"
    folder.mkdir()
    generator = np.random.default_rng(0)
    for number in range(4):
        noise = generator.normal(0, 0.1, 8000 + 1000 * number)
        soundfile.write(folder / f"{number}.wav", noise, 16000)
    return folder


def run(capsys, command, *arguments):
    """Status, what was printed."""
    capsys.readouterr()
    try:
        command.main([str(argument) for argument in arguments])
        status = 0
    except SystemExit as error:
        status = error.code
    return status, capsys.readouterr()


def hits(capsys, *arguments):
    """The hits of the first question."""
    status, output = run(capsys, search, *arguments, "--format", "json")
    assert status == 0, output.err
    return json.loads(output.out)[0]["hits"]


def test_finds_what_the_python_interface_finds(experiment, recordings, capsys):
    options = ["--model_dir", experiment, "--audio_dir", recordings, "--lang", "fra_Latn"]
    status, output = run(capsys, search, "un chien aboie", "la pluie", *options, "--top", "3")
    assert status == 0, output.err
    model = MLCLAP.from_pretrained(experiment)
    paths = sorted(recordings.glob("*.wav"))
    similarity = model.similarity(
        model.encode_audio(paths), model.encode_text(["un chien aboie", "la pluie"], "fra_Latn")
    )
    expected = []
    for query, column in zip(("un chien aboie", "la pluie"), similarity.T):
        expected.append(f"{query} (fra_Latn)")
        expected += [f"{column[row]:7.3f}  {paths[row]}" for row in np.argsort(-column)[:3]]
    assert output.out.splitlines() == expected


def test_the_library_belongs_to_what_the_model_computes(experiment, recordings, capsys, tmp_path):
    first = run(capsys, index, recordings, "--model_dir", experiment)[1].out
    assert first.startswith("4 recordings found, 4 embedded, 0 unchanged\n")
    # moved, and packed: the same model
    shutil.copytree(experiment, tmp_path / "moved")
    pack.main(["--experiment_dir", str(experiment), "--out", str(tmp_path / "packed.zip")])
    for model in (tmp_path / "moved", tmp_path / "packed.zip"):
        again = run(capsys, index, recordings, "--model", model)[1].out
        assert again.startswith("4 recordings found, 0 embedded, 4 unchanged\n")
        assert again.splitlines()[1] == first.splitlines()[1]
    # from now on neither model nor folder need be named
    assert len(hits(capsys, "rain")) == 4
    assert "0 embedded, 4 unchanged" in run(capsys, index)[1].out


def test_ways_of_asking(experiment, recordings, capsys):
    run(capsys, index, recordings, "--model_dir", experiment, "--tag", "noise")
    best = hits(capsys, "--sound", recordings / "2.wav", "--top", 1)
    assert best[0]["path"] == str(recordings / "2.wav")
    assert best[0]["similarity"] == pytest.approx(1, abs=1e-4)
    more = hits(capsys, "--like", best[0]["window"])
    assert {hit["path"] for hit in more} == {str(recordings / f"{n}.wav") for n in (0, 1, 3)}
    rain = {hit["path"]: hit["similarity"] for hit in hits(capsys, "rain")}
    worst = hits(capsys, "--minus", "rain", "--like", best[0]["window"])
    assert [hit["path"] for hit in worst] != list(rain)
    assert len(hits(capsys, "rain", "--with_tag", "noise", "--min_duration", 0.6)) == 2
    assert hits(capsys, "rain", "--with_tag", "other") == []
    assert hits(capsys, "rain", "--in_folder", recordings / "nowhere") == []
    assert hits(capsys, "rain", "--min_similarity", 2) == []


def test_mistakes_are_named(experiment, recordings, capsys, tmp_path):
    status, output = run(capsys, search, "rain")
    assert (status, "mlclap index FOLDER" in output.err) == (1, True)
    status, output = run(capsys, search, "rain", "--model_dir", experiment)
    assert (status, "mlclap index FOLDER" in output.err) == (1, True)
    (recordings / "bad.wav").write_text("no sound")
    status, output = run(capsys, index, recordings, "--model_dir", experiment)
    assert status == 0
    assert "4 embedded, 0 unchanged, 1 cannot be read" in output.out
    assert len(hits(capsys, "rain")) == 4
    for wrong, message in (
        (["rain", "--top", "0"], "--top 0"),
        (["rain", "--lang", "fr"], "fra_Latn"),
        ([], "nothing to look for"),
        (["--like", "4711"], "window 4711"),
        (["--sound", tmp_path / "nowhere.wav"], "nowhere.wav"),
        (["rain", "--minus", "rain"], "cancel"),
        (["rain", "--changed_after", "1.2.2026"], "--changed_after 1.2.2026"),
        (["rain", "--store", "http://127.0.0.1:9", "--milvus_conf", "timeout"], "KEY=VALUE"),
    ):
        status, output = run(capsys, search, *wrong)
        assert status == 1
        assert message in output.err
    for wrong, message in (
        ([recordings, "--hop", "20"], "--hop 20"),
        ([recordings, "--window", "5"], "was made with windows of 10 s"),
        ([tmp_path / "nowhere"], "nowhere: no such folder"),
    ):
        status, output = run(capsys, index, *wrong)
        assert status == 1
        assert message in output.err
    status, output = run(capsys, index, recordings, "--forget")
    assert (status, output.out.split(" recordings")[0]) == (0, "5")
