"""A device that is not there is said before the work begins."""

import subprocess
import sys

import pytest
import torch

from espnet_mlclap.utils.device import check_device, check_gpus
from espnet_mlclap.utils.errors import UserError


def test_devices_that_are_there():
    assert check_device("cpu") == torch.device("cpu")
    check_gpus(0, "--ngpu 0", "--ngpu 0")


@pytest.mark.parametrize(
    ("there", "name", "message"),
    [
        (0, "cuda", "--device cuda: PyTorch finds no GPU here .*Use --device cpu"),
        (1, "cuda:1", "--device cuda:1: PyTorch finds only 1 GPU here"),
        (2, "cuda:7", "finds only 2 GPUs"),
        (0, "gpu", "--device gpu: not a device. Give cpu, cuda"),
    ],
)
def test_devices_that_are_not_there(monkeypatch, there, name, message):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: there)
    with pytest.raises(UserError, match=message):
        check_device(name)


def test_the_engine_asks_first():
    command = [sys.executable, "-m", "espnet_mlclap.bin.check_environment", "--ngpu", "99"]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert ended.returncode == 1
    assert "--ngpu 99: PyTorch finds" in ended.stderr
    assert "Use --ngpu 0" in ended.stderr
