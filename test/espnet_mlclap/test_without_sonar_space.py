"""Without fairseq2 and sonar-space all works but reading published assets, translation and speech encoder."""

import json
import subprocess
import sys

import numpy as np
import pytest
import yaml

from espnet_mlclap.inference import MLCLAP

# Runs commands one after the other in a process in which importing either package fails.
PROGRAM = """
import importlib, json, sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("fairseq2", "sonar"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Missing())
for command, *arguments in json.loads(sys.argv[1]):
    importlib.import_module(f"espnet_mlclap.bin.{command}").main(arguments)
assert not {"fairseq2", "sonar"} & {*sys.modules}
"""


def run(*commands):
    """Run commands, each a name and its arguments; the output of the process."""
    program = [sys.executable, "-c", PROGRAM, json.dumps(commands, default=str)]
    return subprocess.run(program, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def packed(experiment, tmp_path_factory):
    path = tmp_path_factory.mktemp("packed") / "model.zip"
    done = run(["pack", "--experiment_dir", experiment, "--out", path])
    assert done.returncode == 0, done.stderr
    return path


@pytest.mark.parametrize("name", ["experiment", "packed"])
def test_embedding_scoring_and_searching(name, experiment, tones, request, tmp_path):
    model_dir, out = request.getfixturevalue(name), tmp_path / "inf/valid"
    done = run(
        ["embed", "--model_dir", model_dir, "--data_dir", tones / "valid", "--out_dir", out],
        ["score", "--inference_dir", tmp_path / "inf", "--bootstrap", "5"],
        ["search", "un chien", "--model_dir", model_dir, "--audio_dir", tones / "audio",
         "--library", tmp_path / "library", "--lang", "fra_Latn", "--top", "2"],
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    expected = MLCLAP.from_pretrained(experiment).encode_text("Ein Hund bellt twice", "deu_Latn")
    found = np.load(out / "text_embeddings.npy")
    assert np.abs(found @ expected[0]).max() == pytest.approx(1.0, abs=1e-5)
    assert (tmp_path / "inf/scores.json").is_file()
    assert "un chien (fra_Latn)" in done.stdout


def test_training_from_an_exported_encoder(experiment, training_options, tmp_path):
    config = yaml.safe_load((experiment / "config.yaml").read_text())
    conf = config["text_encoder_conf"]
    conf["tokenizer_model"] = str(experiment / conf["tokenizer_model"])
    (tmp_path / "train.yaml").write_text(yaml.safe_dump({"text_encoder_conf": conf}))
    place = training_options.index("model=sonar_mini_encoder") - 1
    options = training_options[:place] + training_options[place + 2 :]
    done = run(
        ["train", "--config", tmp_path / "train.yaml", *options, "--max_epoch", "1",
         "--init_param", experiment / "valid.mAP@10.best.pth", "--output_dir", tmp_path / "exp"],
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "exp/valid.mAP@10.best.pth").is_file()


def test_an_asset_says_what_it_needs(training_options, tmp_path):
    done = run(["train", *training_options, "--output_dir", tmp_path / "exp"])
    assert done.returncode == 1
    assert "pip install 'espnet_mlclap[sonar]'" in done.stderr.splitlines()[-1]
