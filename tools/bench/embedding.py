#!/usr/bin/env python3
"""What the embedding of tokens costs a training step: dense, by rows (`sparse_embedding`), frozen.

    python tools/bench/embedding.py                    SONAR's 256,206 x 1,024: 9 GB
    python tools/bench/embedding.py --tokens 2000      a small one

A step looks up 128 captions of 20 tokens, goes backwards, clips and updates. Tokens are drawn so that a batch
has about 530 of them, as captions of AudioCaps do. Nothing but the embedding is in it.
"""

import argparse
import sys
from pathlib import Path

import torch
from timing import show, take_turns

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from espnet_mlclap.train.row_adam import RowAdam  # noqa: E402

CAPTIONS, LENGTH, DISTINCT = 128, 20, 530
SETTINGS = {"lr": 5e-5}


def main() -> None:
    """Print medians and ratios."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tokens", type=int, default=256_206, help="rows")
    parser.add_argument("--width", type=int, default=1024, help="of a row")
    parser.add_argument("--runs", type=int, default=5, help="of each")
    options = parser.parse_args()
    torch.manual_seed(0)
    some = torch.randperm(options.tokens)[:DISTINCT]
    ids = some[torch.randint(len(some), (CAPTIONS, LENGTH))]

    def step(embedding: torch.nn.Embedding, optimizer: torch.optim.Optimizer):
        def run() -> None:
            embedding(ids).square().mean().backward()
            torch.nn.utils.clip_grad_norm_(embedding.parameters(), 5.0)
            optimizer.step()
            optimizer.zero_grad()

        return run

    steps = {}
    for name in ("dense, fused Adam", "by rows"):
        embedding = torch.nn.Embedding(options.tokens, options.width)
        if name == "by rows":
            optimizer = RowAdam(embedding, max_norm=5.0, **SETTINGS)
        else:
            optimizer = torch.optim.Adam(embedding.parameters(), fused=True, **SETTINGS)
        steps[name] = step(embedding, optimizer)
    frozen = embedding.weight.detach()
    steps["frozen"] = lambda: frozen[ids].square().mean()
    show(take_turns(steps, options.runs), "step")


if __name__ == "__main__":
    main()
