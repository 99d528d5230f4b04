"""Trainings that read shards from front to back: they resume as others do, and say what they cannot."""

import json

import pytest

from espnet_mlclap.fileio.data_dir import DataDir
from espnet_mlclap.fileio.format_audio import format_audio
from espnet_mlclap.utils.errors import UserError


@pytest.fixture(scope="module")
def options(training_options, tones, tmp_path_factory):
    """Command line of a small training on shards."""
    folder = tmp_path_factory.mktemp("shards") / "train"
    data = DataDir.read(tones / "train")
    format_audio(data, folder, wav_scp="x", audio_format="shards", clips_per_shard=3)
    options = [str(folder) if one == str(tones / "train") else one for one in training_options]
    return [*options, "--reading", "sequential", "--reading_buffer", "8"]


def losses(folder):
    lines = (folder / "history.jsonl").read_text().splitlines()
    return [json.loads(line)["train"]["loss"] for line in lines]


def test_a_training_that_goes_on_is_the_one_that_was_not_interrupted(
    options, run_training, tmp_path
):
    whole = losses(run_training(options, tmp_path / "whole", 2))
    run_training(options, tmp_path / "parts", 1)
    assert losses(run_training(options, tmp_path / "parts", 2)) == whole
    assert len(set(whole)) == 2


def test_sets_without_shards_are_refused(training_options, run_training, tmp_path):
    with pytest.raises(UserError, match="--audio_format shards"):
        run_training([*training_options, "--reading", "sequential"], tmp_path, 1)
