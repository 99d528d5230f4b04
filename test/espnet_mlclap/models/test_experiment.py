"""Experiments from disk, those of version 0.1 too."""

import pytest
import torch
import yaml

from espnet_mlclap.models.experiment import load_experiment
from espnet_mlclap.models.pooling import FirstPooling, MaxOfSegmentsPooling, MeanPooling
from espnet_mlclap.utils.errors import UserError

BEST = "valid.mAP@10.best.pth"


def changed(experiment, folder, change):
    """A copy of an experiment, beside its tokenizer, with another configuration."""
    config = yaml.safe_load((experiment / "config.yaml").read_text())
    change(config)
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    (folder / "text_encoder").symlink_to(experiment / "text_encoder")
    return folder / "config.yaml"


def test_files_hold_the_model_alone(experiment):
    model, config = load_experiment(experiment / "config.yaml", experiment / BEST)
    states = torch.load(experiment / BEST, weights_only=True)
    assert list(states) == list(model.state_dict())
    assert not model.training
    assert config["objective"] == "contrastive"


def test_experiments_of_version_0_1(experiment, tmp_path):
    def as_it_was(config):
        for part in ("audio", "text"):
            for kind in ("pooling", "projection"):
                del config[f"{part}_{kind}"], config[f"{part}_{kind}_conf"]
        del config["objective"]
        config["model"] = "mlclap"
        config["audio_encoder_conf"]["chunk_pooling"] = "max"

    states = torch.load(experiment / BEST, weights_only=True)
    torch.save({**states, "loss.temperature": torch.tensor(0.07)}, tmp_path / "old.pth")
    old, _ = load_experiment(changed(experiment, tmp_path, as_it_was), tmp_path / "old.pth")
    new, _ = load_experiment(experiment / "config.yaml", experiment / BEST)
    assert isinstance(old.audio_pooling, MaxOfSegmentsPooling)
    assert isinstance(old.text_pooling, MeanPooling)
    clip = 0.1 * torch.randn(1, 16000), torch.tensor([16000])
    with torch.inference_mode():
        assert torch.equal(old.encode_audio(*clip), new.encode_audio(*clip))  # one chunk


def test_weights_in_a_configuration_are_not_loaded_again(experiment, tmp_path):
    def from_elsewhere(config):  # as stage 5 leaves it: the checkpoint may be on another machine
        config["audio_encoder_conf"]["checkpoint"] = "nowhere/ced_base.pt"

    load_experiment(changed(experiment, tmp_path, from_elsewhere), experiment / BEST)


def test_a_pooling_of_another_name(experiment, tmp_path):
    config = changed(experiment, tmp_path, lambda config: config.update(text_pooling="first"))
    model, _ = load_experiment(config, experiment / BEST)
    assert isinstance(model.text_pooling, FirstPooling)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda config: config.pop("audio_encoder"), "'audio_encoder' is missing"),
        (lambda config: config.update(text_encoder="sonr"), "text_encoder: there is no 'sonr'"),
        (lambda config: config.update(audio_pooling_conf={"x": 1}), "unknown key 'x'"),
    ],
)
def test_configurations_that_do_not_fit(experiment, tmp_path, change, message):
    with pytest.raises(UserError, match=message):
        load_experiment(changed(experiment, tmp_path, change), experiment / BEST)
