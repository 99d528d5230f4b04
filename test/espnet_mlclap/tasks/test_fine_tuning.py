"""Training that starts from the weights of another: whole checkpoints, parts, mistakes."""

import pytest
import torch

from espnet_mlclap.utils.errors import UserError

BEST = "valid.mAP@10.best.pth"
STILL = ["--optim_conf", "lr=0.0"]  # what was loaded is then what is saved


def parameters(path):
    states = torch.load(path, weights_only=True)
    return {key: value for key, value in states.items() if "init_bn" not in key}


def test_fine_tuning_starts_from_the_weights(experiment, run_training, training_options, tmp_path):
    start = experiment / BEST
    folder = run_training(
        training_options, tmp_path / "exp", 1, "--init_param", str(start), "--seed", "9", *STILL
    )
    before, after = parameters(start), parameters(folder / BEST)
    assert all(torch.equal(before[key], after[key]) for key in before)


def test_a_part_may_be_loaded(experiment, run_training, training_options, tmp_path):
    part = f"{experiment / BEST}:audio_encoder:audio_encoder"
    options = ["--init_param", part, "--seed", "9", *STILL]
    folder = run_training(training_options, tmp_path / "exp", 1, *options)
    before, after = parameters(experiment / BEST), parameters(folder / BEST)
    same = {key for key in before if torch.equal(before[key], after[key])}
    assert {key for key in before if key.startswith("audio_encoder.")} <= same
    assert "audio_projection.0.weight" not in same


def test_weights_that_do_not_fit_are_named(experiment, run_training, training_options, tmp_path):
    states = torch.load(experiment / BEST, weights_only=True)
    del states["text_projection.0.weight"]
    torch.save(states, tmp_path / "less.pth")
    for path, message in (
        (tmp_path / "less.pth", "less.pth does not fit the model. 1 missing: text_projection.0.w"),
        (tmp_path / "nowhere.pth", "no such checkpoint"),
    ):
        with pytest.raises(UserError, match=message):
            run_training(training_options, tmp_path / "exp", 1, "--init_param", str(path))
