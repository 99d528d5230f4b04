#!/usr/bin/env python3
"""CPU milliseconds of embedding a test set: per clip of 10 s, and per caption.

    python tools/bench/evaluation.py [--ced mini] [--clips 8]
    python tools/bench/evaluation.py --peer CHECKOUT    also the ML-CLAP authors' model, from their repository

A test set has five captions a clip. Ours embeds a clip once; the authors' model embeds each pair, as in their
evaluation, so that a clip is embedded five times.
"""

import argparse
from pathlib import Path

import torch
from peers import authors_model, make_pairs, our_objective
from step import CAPTIONS
from timing import show, take_turns

from espnet_mlclap.models.padding import pad

CAPTIONS_OF_A_CLIP = 5


def main() -> None:
    """Print medians and ratios."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--ced", default="mini", help="size of CED")
    parser.add_argument("--sonar", default="sonar_mini_encoder", help="asset of the text encoder")
    parser.add_argument("--clips", type=int, default=8, help="with five captions each")
    parser.add_argument("--runs", type=int, default=5, help="of each")
    parser.add_argument("--peer", type=Path, help="checkout of the authors' repository")
    options = parser.parse_args()
    pairs = make_pairs(options.clips, CAPTIONS, ["eng_Latn"] * CAPTIONS_OF_A_CLIP, 10.0)
    model = our_objective(options.ced, options.sonar).model.eval()
    tokenizer = model.text_encoder.tokenizer
    lengths = torch.full((options.clips,), pairs.audio.shape[1])

    def our_text() -> None:
        tokens = [tokenizer(text, lang) for text, lang in zip(pairs.captions, pairs.langs)]
        model.encode_text(*pad(tokens, tokenizer.pad_id))

    audio = {"ours": lambda: model.encode_audio(pairs.audio, lengths)}
    text = {"ours": our_text}
    if options.peer:
        theirs = authors_model(options.peer, options.ced, options.sonar, False)
        repeated = pairs.audio[torch.tensor(pairs.clips)]
        audio["the authors' model"] = lambda: theirs.encode_audio(repeated)
        text["the authors' model"] = lambda: theirs.encode_text(pairs.captions, "eng_Latn")
    with torch.no_grad():
        show(take_turns(audio, options.runs), "clip", options.clips)
        show(take_turns(text, options.runs), "caption", len(pairs.captions))


if __name__ == "__main__":
    main()
