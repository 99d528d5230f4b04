#!/usr/bin/env python3
"""CPU seconds of a training step: forward, backward, clipping, Adam.

    python tools/bench/step.py [--langs 8] [--clips 8] [--ced mini]     ours, with fused Adam and without
    python tools/bench/step.py --peer CHECKOUT   also the ML-CLAP authors' model, from their repository
    python tools/bench/step.py --sonar text_sonar_basic_encoder --ced base       real sizes: 20 GB

Each clip has 10 s of noise and a caption in each of the languages. Ours encodes each clip once and all
captions in one pass; theirs encodes a clip once for each caption, and the captions by language. Weights of
CED are random.
"""

import argparse
from pathlib import Path

import torch
from peers import Pairs, authors_model, make_pairs, our_objective
from timing import show, take_turns

from espnet_mlclap.models.padding import pad
from espnet_mlclap.models.text_encoder.abs_text_encoder import Tokenizer
from espnet_mlclap.objectives.abs_objective import AbsObjective
from espnet_mlclap.utils.languages import PAPER_LANGUAGES

CAPTIONS = (
    "a dog barks",
    "rain falls on a tin roof while a car passes by in the distance",
    "people talk and laugh",
    "an engine starts, idles for a while and is switched off again",
)
LEARNING_RATE = 5e-5
CLIP_NORM = 5.0


def our_step(objective: AbsObjective, pairs: Pairs, tokenizer: Tokenizer, fused: bool = True):
    """A function that does one step."""
    trained = [weight for weight in objective.parameters() if weight.requires_grad]
    optimizer = torch.optim.Adam(trained, lr=LEARNING_RATE, fused=fused)
    lengths = torch.full((len(pairs.audio),), pairs.audio.shape[1])
    clips = torch.tensor(pairs.clips)

    def step() -> None:
        tokens = [tokenizer(text, lang) for text, lang in zip(pairs.captions, pairs.langs)]
        text, text_lengths = pad(tokens, tokenizer.pad_id)
        loss, _, _ = objective(
            audio=pairs.audio,
            audio_lengths=lengths,
            text=text,
            text_lengths=text_lengths,
            clip_index=clips,
        )
        finish(objective, loss, optimizer)

    return step


def their_step(model: torch.nn.Module, pairs: Pairs):
    """Likewise."""
    optimizer = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE)
    clips = torch.tensor(pairs.clips)

    def step() -> None:
        loss = model(pairs.audio[clips], pairs.captions, pairs.langs, clips)
        finish(model, loss, optimizer)

    return step


def finish(model: torch.nn.Module, loss: torch.Tensor, optimizer: torch.optim.Optimizer) -> None:
    """Backward pass and update."""
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP_NORM)
    optimizer.step()
    optimizer.zero_grad()


def main() -> None:
    """Print medians and ratios."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--ced", default="mini", help="size of CED")
    parser.add_argument("--sonar", default="sonar_mini_encoder", help="asset of the text encoder")
    parser.add_argument("--clips", type=int, default=8, help="in a batch")
    parser.add_argument("--langs", type=int, default=1, help="of the paper's languages")
    parser.add_argument("--seconds", type=float, default=10.0, help="of a clip")
    parser.add_argument("--runs", type=int, default=5, help="of each")
    parser.add_argument("--peer", type=Path, help="checkout of the authors' repository")
    options = parser.parse_args()
    pairs = make_pairs(options.clips, CAPTIONS, PAPER_LANGUAGES[: options.langs], options.seconds)
    steps = {}
    for name, fused in (("ours", True), ("ours, Adam not fused", False)):
        ours = our_objective(options.ced, options.sonar).train()
        steps[name] = our_step(ours, pairs, ours.model.text_encoder.tokenizer, fused)
    if options.peer:
        theirs = authors_model(options.peer, options.ced, options.sonar, True)
        steps["the authors' model"] = their_step(theirs, pairs)
    show(take_turns(steps, options.runs), "step")


if __name__ == "__main__":
    main()
