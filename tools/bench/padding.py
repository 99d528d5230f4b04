#!/usr/bin/env python3
"""CPU seconds of our SONAR encoder for a batch of real captions: at once, and in parts sorted by length.

    python tools/bench/padding.py --table audiocaps/test.csv [--captions 128] [--layers 6] [--width 512]

Where padding is computed like tokens, two parts sorted by length are faster: that is printed too, for layers
of PyTorch of the same sizes. Ours computes tokens alone, so parts should bring nothing.
"""

import argparse
import csv
import os
import sys
from dataclasses import asdict
from pathlib import Path

import torch
from timing import show, take_turns

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from espnet_mlclap.checkpoints.sonar_assets import read_asset  # noqa: E402
from espnet_mlclap.models.padding import pad  # noqa: E402
from espnet_mlclap.models.text_encoder.sonar import SonarTextEncoder  # noqa: E402

os.environ.setdefault("FAIRSEQ2_ASSET_DIR", str(ROOT / "egs2/mini/mlclap1/sonar_assets"))
HEADS = 8


def main() -> None:
    """Print medians and ratios."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--captions", type=int, default=128, help="in the batch")
    parser.add_argument("--table", type=Path, required=True, help="CSV with a column `caption`")
    parser.add_argument("--layers", type=int, default=6, help="of the encoder")
    parser.add_argument("--width", type=int, default=512, help="of the encoder")
    parser.add_argument("--runs", type=int, default=5, help="of each")
    options = parser.parse_args()
    torch.manual_seed(0)
    with options.table.open(encoding="utf-8", newline="") as file:
        captions = [row["caption"] for row in csv.DictReader(file)][: options.captions]
    asset = read_asset("sonar_mini_encoder")
    sizes = {
        "model_dim": options.width,
        "num_encoder_layers": options.layers,
        "num_encoder_attn_heads": HEADS,
        "ffn_inner_dim": 4 * options.width,
    }
    ours = SonarTextEncoder(
        architecture={**asdict(asset.config), **sizes},
        tokenizer_model=str(asset.tokenizer),
        langs=asset.langs,
    ).train()
    layer = torch.nn.TransformerEncoderLayer(
        options.width, HEADS, 4 * options.width, dropout=0.0, batch_first=True, norm_first=True
    )
    plain = torch.nn.TransformerEncoder(layer, options.layers, enable_nested_tensor=False).train()
    tokens = sorted((ours.tokenizer(text, "eng_Latn") for text in captions), key=len)
    half = len(tokens) // 2
    text, lengths = pad(tokens, 0)
    shares = [float(lengths.sum()) / text.numel()]
    parts = [pad(some, 0) for some in (tokens[:half], tokens[half:])]
    shares.append(float(lengths.sum()) / sum(part.numel() for part, _ in parts))
    print(f"{len(tokens)} captions: {100 * shares[0]:.0f} % tokens, in two {100 * shares[1]:.0f} %")

    def run_ours(batches) -> None:
        sum(ours(*batch).mean().sum() for batch in batches).backward()

    def run_plain(batches) -> None:
        for part, its in batches:
            padding = torch.arange(part.shape[1]) >= its[:, None]
            plain(
                torch.randn(*part.shape, options.width), src_key_padding_mask=padding
            ).sum().backward()

    seconds = {
        "ours, at once": lambda: run_ours([(text, lengths)]),
        "ours, in two parts": lambda: run_ours(parts),
    }
    show(take_turns(seconds, options.runs), "batch")
    seconds = {
        "PyTorch's layers, at once": lambda: run_plain([(text, lengths)]),
        "PyTorch's, in two parts": lambda: run_plain(parts),
    }
    show(take_turns(seconds, options.runs), "batch")


if __name__ == "__main__":
    main()
