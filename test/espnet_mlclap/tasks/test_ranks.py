"""Two processes that train together on the CPU, as `mlclap.sh --cpu_ranks 2` starts them."""

import json
import os
import subprocess
import sys

import pytest
import torch

from espnet_mlclap.evaluation.validation import ValidationSet
from espnet_mlclap.inference import MLCLAP

BEST = "valid.mAP@10.best.pth"
_TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2")


def train(options, folder, epochs):
    schedule = ["--output_dir", str(folder), "--max_epoch", str(epochs), "--resume", "true"]
    ranks = ["--dist_backend", "gloo", "--multiprocessing_distributed", "false", "--ngpu", "0"]
    module = ["-m", "espnet_mlclap.bin.train", *options, *schedule, *ranks]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, *_TORCHRUN, *module]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]


@pytest.fixture
def one_thread():
    """As the ranks compute: several threads may add up in another order."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.usefixtures("one_thread")
def test_two_ranks_train_go_on_and_report_what_scoring_finds(training_options, tones, tmp_path):
    first = train(training_options, tmp_path, 1)
    history = train(training_options, tmp_path, 2)
    assert [line["epoch"] for line in history] == [1, 2]
    assert history[0] == first[0]
    assert history[1]["train"]["loss"] != history[0]["train"]["loss"]
    best = int(os.readlink(tmp_path / BEST).removesuffix("epoch.pth"))
    figures = ValidationSet(tones / "valid")(MLCLAP.from_pretrained(tmp_path).model, "cpu")
    assert {name: history[best - 1]["valid"][name] for name in figures} == figures
