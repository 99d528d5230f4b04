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


@pytest.mark.usefixtures("one_thread")
def test_co_attention_on_two_ranks_is_as_on_one(
    training_options, run_training, experiment, tmp_path
):
    """The captions of each rank are contrasted with the clips of both; the validation is shared."""
    pairs = [
        *("--model", "co_attention", "--objective", "pair_scoring", "--co_attention", "single"),
        *("--co_attention_conf", "width=16", "--co_attention_conf", "heads=2"),
        *("--co_attention_conf", "feed_forward=16", "--co_attention_conf", "dropout=0.0"),
        *("--model_conf", "pairs_per_chunk=5", "--valid_rerank_top", "3"),
        *("--init_param", str(experiment / BEST)),
    ]
    alone = run_training(training_options, tmp_path / "alone", 2, *pairs)
    expected = [json.loads(line) for line in (alone / "history.jsonl").read_text().splitlines()]
    for found, line in zip(train([*training_options, *pairs], tmp_path / "two", 2), expected):
        names = ("loss", "loss_t2a", "loss_a2t")
        losses = [[entry["train"][name] for name in names] for entry in (found, line)]
        assert losses[0] == pytest.approx(losses[1], rel=1e-4)
        assert found["valid"] == pytest.approx(line["valid"], abs=1e-6)
