"""Benchmarks that need no model run, on something small; their figures are for people."""

import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).resolve().parents[2] / "tools/bench"

# stands for a checkout: a file that imports what is not installed, and a function that is right
PEER = """
import wandb_of_another_time

def get_metrics(audio, text, scale):
    order = (scale * text @ audio.T).argsort(descending=True)
    back = (scale * audio @ text.T).argsort(descending=True)
    found = {}
    for name, one in (("text_to_audio", order), ("audio_to_text", back)):
        rank = (one == torch.arange(len(one))[:, None]).int().argmax(dim=1).numpy()
        for most in (1, 5, 10):
            found[f"{name}_R@{most}"] = np.mean(rank < most)
        found[f"{name}_mAP@10"] = np.mean((rank < 10) / (rank + 1))
        found[f"{name}_median_rank"] = np.floor(np.median(rank)) + 1
        found[f"{name}_mean_rank"] = rank.mean() + 1
    return found
"""


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (["plan.py", "--scale", "0.0005"], "next epoch"),
        (["metrics.py", "--clips", "9", "--runs", "1", "--peer", "{peer}"], "LAION's"),
        (["embedding.py", "--tokens", "700", "--width", "8", "--runs", "1"], "by rows"),
    ],
)
def test_a_benchmark_runs(command, expected, tmp_path):
    train = tmp_path / "src/laion_clap/training/train.py"
    train.parent.mkdir(parents=True)
    train.write_text(PEER)
    script, *options = [one.format(peer=tmp_path) for one in command]
    done = subprocess.run(
        [sys.executable, str(BENCH / script), *options], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert expected in done.stdout
