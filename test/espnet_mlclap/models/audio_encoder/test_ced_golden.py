"""Batch invariance on the golden recordings; test/tools/test_check_golden.py compares the numbers."""

import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[4] / "tools"))
from golden.ced import GoldenCED, models  # noqa: E402


@torch.no_grad()
def test_default_mode_is_the_same_alone_and_in_a_batch(golden_dir):
    folder = golden_dir / "ced"
    assert models(folder)
    for name in models(folder):
        golden = GoldenCED(folder, name)
        encoder = golden.encoder()
        for items in golden.batches.values():
            together = encoder(*golden.audio(*items)).mean()
            for item, row in zip(items, together):
                alone = encoder(*golden.audio(item)).mean()[0]
                torch.testing.assert_close(row, alone, atol=1e-5, rtol=0, msg=f"{name} {item}")


def test_heads_are_found(golden_dir, material):
    heads = {name: GoldenCED(golden_dir / "ced", name).heads() for name in ("small", "tiny")}
    assert heads == ({"small": 2, "tiny": 1} if material == "fixtures" else {"small": 3, "tiny": 3})
