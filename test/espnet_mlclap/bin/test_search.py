"""The search command on a small trained model: what it prints, and what it embeds a second time."""

import numpy as np
import pytest
import soundfile

from espnet_mlclap.bin import pack, search
from espnet_mlclap.inference import MLCLAP


@pytest.fixture
def recordings(tmp_path):
    folder = tmp_path / "my recordings"
    folder.mkdir()
    generator = np.random.default_rng(0)
    for number in range(4):
        noise = generator.normal(0, 0.1, 8000 + 1000 * number)
        soundfile.write(folder / f"{number}.wav", noise, 16000)
    return folder


def run(capsys, *arguments):
    """Status, what was printed."""
    try:
        search.main([str(argument) for argument in arguments])
        status = 0
    except SystemExit as error:
        status = error.code
    return status, capsys.readouterr()


def test_finds_what_the_python_interface_finds(experiment, recordings, capsys):
    options = ["--model_dir", experiment, "--audio_dir", recordings, "--lang", "fra_Latn"]
    status, output = run(capsys, "un chien aboie", "la pluie", *options, "--top", "3")
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


def test_the_index_is_kept_until_the_model_changes(experiment, recordings, capsys, tmp_path):
    options = ["--audio_dir", recordings, "--index", tmp_path / "index.npz"]
    assert run(capsys, "--model_dir", experiment, *options)[0] == 0, "without a query: the index"
    made = (tmp_path / "index.npz").read_bytes()
    status, output = run(capsys, "rain", "--model_dir", experiment, *options)
    assert status == 0
    assert len(output.out.splitlines()) == 5
    assert (tmp_path / "index.npz").read_bytes() == made
    pack.main(["--experiment_dir", str(experiment), "--out", str(tmp_path / "packed.zip")])
    assert run(capsys, "--model_dir", tmp_path / "packed.zip", *options)[0] == 0
    assert (tmp_path / "index.npz").read_bytes() != made


def test_mistakes_are_named(experiment, recordings, capsys):
    (recordings / "bad.wav").write_text("no sound")
    options = ["rain", "--model_dir", experiment, "--audio_dir", recordings]
    status, output = run(capsys, *options)
    assert status == 1
    assert "bad.wav" in output.err
    assert "--skip_bad_audio true" in output.err
    status, output = run(capsys, *options, "--skip_bad_audio", "true")
    assert status == 0
    assert len(output.out.splitlines()) == 5
    for wrong, message in ((["--top", "0"], "--top 0"), (["--lang", "fr"], "fra_Latn")):
        status, output = run(capsys, *options, *wrong)
        assert status == 1
        assert message in output.err
