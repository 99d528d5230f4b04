"""Configurations based on others: what comes on top, what is left out, mistakes."""

import pytest
import yaml

from espnet_mlclap.utils.config import config_files, read_config, resolve_arguments
from espnet_mlclap.utils.errors import UserError

TRAIN = """
audio_encoder: ced
audio_encoder_conf: {size: base, checkpoint: ced_base}
optim: adam
optim_conf: {lr: 5.0e-5, weight_decay: 0.1}
best_model_criterion: [[valid, mAP@10, max]]
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "train.yaml").write_text(TRAIN)
    (tmp_path / "tuning").mkdir()
    return tmp_path


def tuning(folder, content, name="own.yaml"):
    path = folder / "tuning" / name
    path.write_text(content)
    return path


def test_a_file_without_base_is_read_as_it_is(folder):
    assert read_config(folder / "train.yaml") == yaml.safe_load(TRAIN)


def test_own_values_come_on_top_and_dictionaries_are_merged(folder):
    path = tuning(folder, "base: ../train.yaml\noptim_conf: {lr: 5.0e-6}\nmax_epoch: 3\n")
    expected = yaml.safe_load(TRAIN)
    expected["optim_conf"]["lr"] = 5e-6
    expected["max_epoch"] = 3
    assert read_config(path) == expected


def test_settings_of_a_block_go_with_the_block(folder):
    path = tuning(folder, "base: ../train.yaml\naudio_encoder: sonar_speech\n")
    assert "audio_encoder_conf" not in read_config(path)
    path = tuning(
        folder, "base: ../train.yaml\naudio_encoder: x\naudio_encoder_conf: {checkpoint: y}\n"
    )
    assert read_config(path)["audio_encoder_conf"] == {"checkpoint": "y"}
    path = tuning(
        folder, "base: ../train.yaml\naudio_encoder: ced\naudio_encoder_conf: {size: tiny}\n"
    )
    assert read_config(path)["audio_encoder_conf"] == {"size": "tiny", "checkpoint": "ced_base"}


def test_several_layers(folder):
    tuning(folder, "base: ../train.yaml\nmax_epoch: 3\nseed: 1\n", "middle.yaml")
    path = tuning(folder, "base: middle.yaml\nmax_epoch: 5\n")
    config = read_config(path)
    assert (config["max_epoch"], config["seed"], config["optim"]) == (5, 1, "adam")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("base: own.yaml\n", "in the end based on this very file"),
        ("base: nowhere.yaml\n", "nowhere.yaml: cannot be read"),
        ("- a\n", "must hold `key: value` lines"),
        ("a: [\n", "not YAML"),
    ],
)
def test_mistakes_are_named(folder, content, message):
    with pytest.raises(UserError, match=message):
        read_config(tuning(folder, content))


def test_arguments_without_base_stay(folder):
    arguments = ["--seed", "1", "--config", str(folder / "train.yaml")]
    assert resolve_arguments(arguments)[:2] == ["--seed", "1"]
    assert resolve_arguments(arguments)[-1].endswith("train.yaml")
    assert resolve_arguments(["--help"]) == ["--help"]


@pytest.mark.parametrize("form", ["{0} {1}", "{0}={1}"])
def test_espnet_gets_the_whole_configuration(folder, form):
    path = tuning(folder, "base: ../train.yaml\nmax_epoch: 3\n")
    arguments = form.format("--config", path).split()
    arguments += form.format("--output_dir", folder / "exp").split() + ["--ngpu", "0"]
    resolved = resolve_arguments(arguments)
    written = folder / "exp/train.yaml"
    assert f"--config={written}" in resolved
    assert resolved[-2:] == ["--ngpu", "0"]
    assert yaml.safe_load(written.read_text()) == read_config(path)
    with pytest.raises(UserError, match="--output_dir is needed"):
        resolve_arguments(["--config", str(path)])


def test_what_a_configuration_names_counts_but_for_caches(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for folder in ("conf/bert", "dump/vectors"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "base.yaml").write_text(
        "text_encoder_conf: {model: conf/bert, store: dump/vectors}\n"
    )
    (tmp_path / "own.yaml").write_text(
        "base: base.yaml\n"
        "audio_encoder_conf: {encoders: [{audio_encoder_conf: {store: dump/vectors}}]}\n"
    )
    found = [path.name for path in config_files(tmp_path / "own.yaml")]
    assert found == ["own.yaml", "base.yaml", "bert"]
