#!/usr/bin/env python3
"""CPU seconds of a training step whose text encoder is frozen: it encodes, or its vectors are kept.

    python tools/bench/frozen.py [--ced mini] [--clips 8] [--langs 8]
    python tools/bench/frozen.py --sonar basic     a text encoder of the published one's size: 3 GB

Each clip has 10 s of noise and a caption in each of the languages. What is kept is read from the store
within the step, which a training does in its data workers. `audio alone` has no text at all.
"""

import argparse
import tempfile

import torch
from peers import make_pairs, our_objective
from step import CAPTIONS, finish, our_step
from timing import show, take_turns

from espnet_mlclap.models.frozen.towers import StoredCaptions, fill_stores, open_stores
from espnet_mlclap.utils.languages import PAPER_LANGUAGES


def main() -> None:
    """Print medians and ratios."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--ced", default="mini", help="size of CED")
    parser.add_argument("--sonar", default="sonar_mini_encoder", help="asset, or basic")
    parser.add_argument("--clips", type=int, default=8, help="in a batch")
    parser.add_argument("--langs", type=int, default=1, help="of the paper's languages")
    parser.add_argument("--runs", type=int, default=5, help="of each")
    options = parser.parse_args()
    pairs = make_pairs(options.clips, CAPTIONS, PAPER_LANGUAGES[: options.langs], 10.0)
    encodes = our_objective(options.ced, options.sonar, freeze_text_encoder=True).train()
    steps = {"encodes": our_step(encodes, pairs, encodes.model.text_encoder.tokenizer)}
    takes = our_objective(options.ced, options.sonar, freeze_text_encoder=True).train()
    with tempfile.TemporaryDirectory() as folder:
        stores = open_stores(folder, takes.take_kept())
        captions = list(zip(pairs.captions, pairs.langs))
        fill_stores(takes.model, stores, locations=[], captions=captions, number=len(captions))
        steps["takes what is kept"] = our_step(takes, pairs, StoredCaptions(stores["text"]))
        audio = our_objective(options.ced, "sonar_mini_encoder").train().model
        parts = torch.nn.ModuleList([audio.audio_encoder, audio.audio_projection])
        optimizer = torch.optim.Adam(parts.parameters(), lr=5e-5, fused=True)
        lengths = torch.full((len(pairs.audio),), pairs.audio.shape[1])

        def audio_alone() -> None:
            embeddings = audio.encode_audio(pairs.audio, lengths)
            finish(parts, (embeddings @ embeddings.T).logsumexp(dim=1).mean(), optimizer)

        steps["audio alone"] = audio_alone
        show(take_turns(steps, options.runs), "step")


if __name__ == "__main__":
    main()
