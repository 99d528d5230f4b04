#!/usr/bin/env python3
"""CPU seconds of the retrieval metrics, and that others find the same figures.

    python tools/bench/metrics.py                              next to a loop over clips
    python tools/bench/metrics.py --peer WavCaps/retrieval     checkout of XinhaoMei/WavCaps, or of ML-CLAP
    python tools/bench/metrics.py --peer CLAP                  of LAION-AI/CLAP
    python tools/bench/metrics.py --large      also 100,000 captions x 20,000 clips: a minute, 2 GiB

1,045 clips x 1,024 values with five captions each, as in Clotho's test set; LAION's function takes one
caption a clip, so there is a second comparison for it. Figures are compared to 1e-9.
"""

import argparse
import resource
import sys
from pathlib import Path
from typing import Callable, Dict, List

import numpy as np
from peer_functions import functions_of
from timing import show, take_turns

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from espnet_mlclap.evaluation.metrics import retrieval_scores  # noqa: E402

Figures = Dict[str, Dict[str, float]]
Evaluation = Callable[[np.ndarray, np.ndarray], Figures]


def ours(audio: np.ndarray, text: np.ndarray) -> Figures:
    """All our figures."""
    owners = np.repeat(np.arange(len(audio)), len(text) // len(audio))
    return retrieval_scores(audio, text, owners)


def loop(audio: np.ndarray, text: np.ndarray) -> Figures:
    """R@1, clip by clip: normalise both sides, multiply, sort, as common retrieval code does."""

    def unit(rows):
        return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)

    captions = len(text) // len(audio)
    found = {"t2a": 0, "a2t": 0}
    for clip in range(len(audio)):
        own = np.arange(clip * captions, (clip + 1) * captions)
        for similarity in unit(text[own]) @ unit(audio).T:
            found["t2a"] += np.argsort(similarity)[-1] == clip
        order = np.argsort(unit(audio[clip][None]) @ unit(text).T)[0, ::-1]
        found["a2t"] += order[0] in own
    return {
        "t2a": {"R@1": 100 * found["t2a"] / len(text)},
        "a2t": {"R@1": 100 * found["a2t"] / len(audio)},
    }


def wavcaps(folder: Path) -> Evaluation:
    """The evaluation of WavCaps, which ML-CLAP has taken over: five captions a clip."""
    import torch
    from sentence_transformers import util

    uses = {"np": np, "torch": torch, "util": util}
    ways = functions_of(folder / "tools/utils.py", ["t2a", "a2t"], uses)
    names = ("R@1", "R@5", "R@10", "R@50", "medR", "meanR", "mAP@10")

    def evaluate(audio: np.ndarray, text: np.ndarray) -> Figures:
        repeated = np.repeat(audio, 5, axis=0)
        return {name: dict(zip(names, way(repeated, text))) for name, way in ways.items()}

    return evaluate


def laion(folder: Path) -> Evaluation:
    """The evaluation of LAION's CLAP: one caption a clip."""
    import torch
    from torch.nn import functional

    uses = {"np": np, "torch": torch, "F": functional}
    path = folder / "src/laion_clap/training/train.py"
    get_metrics = functions_of(path, ["get_metrics"], uses)["get_metrics"]
    shares = ("R@1", "R@5", "R@10", "mAP@10")

    def evaluate(audio: np.ndarray, text: np.ndarray) -> Figures:
        sides = [functional.normalize(torch.from_numpy(side), dim=-1) for side in (audio, text)]
        found = get_metrics(*sides, 1.0)
        figures = {}
        for way, theirs in (("t2a", "text_to_audio"), ("a2t", "audio_to_text")):
            figures[way] = {name: 100 * found[f"{theirs}_{name}"] for name in shares}
            figures[way]["medR"] = found[f"{theirs}_median_rank"]
            figures[way]["meanR"] = found[f"{theirs}_mean_rank"]
        return figures

    return evaluate


def make(clips: int, captions: int, size: int):
    """Clips, and captions that are noisy copies of them."""
    generator = np.random.default_rng(0)
    audio = generator.standard_normal((clips, size), dtype=np.float32)
    text = np.repeat(audio, captions, axis=0)
    for start in range(0, len(text), 1000):
        part = text[start : start + 1000]
        part += 8 * generator.standard_normal(part.shape, dtype=np.float32)
    return audio, text


def compare(others: Dict[str, Evaluation], clips: int, captions: int, runs: int) -> None:
    """Make sure that all find the same, and print what each takes."""
    audio, text = make(clips, captions, 1024)
    expected = ours(audio, text)
    for name, evaluate in others.items():
        for way, figures in evaluate(audio, text).items():
            for figure, value in figures.items():
                if abs(value - expected[way][figure]) > 1e-9:
                    raise SystemExit(f"{name}: {way} {figure}: {value}, {expected[way][figure]}")
    print(f"{clips} clips x {captions} captions x 1,024, the same figures:")
    every: List = [("ours", ours), *others.items()]
    things = {name: (lambda one=one: one(audio, text)) for name, one in every}
    show(take_turns(things, runs), "set")


def main() -> None:
    """Print what was measured."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--peer", type=Path, action="append", default=[], help="repeatable")
    parser.add_argument("--clips", type=int, default=1045, help="of the set")
    parser.add_argument("--runs", type=int, default=3, help="of each")
    parser.add_argument("--large", action="store_true", help="100,000 captions x 20,000 clips too")
    options = parser.parse_args()
    of_five: Dict[str, Evaluation] = {"a loop over clips": loop}
    of_one: Dict[str, Evaluation] = {}
    for folder in options.peer:
        if (folder / "src/laion_clap").is_dir():
            of_one["LAION's"] = laion(folder)
        else:
            of_five[str(folder)] = wavcaps(folder)
    compare(of_five, options.clips, 5, options.runs)
    if of_one:
        compare(of_one, options.clips, 1, options.runs)
    if options.large:
        audio, text = make(20_000, 5, 1024)
        large = take_turns({"ours": lambda: ours(audio, text)}, 1)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        print(f"20,000 clips, 100,000 captions, peak memory {peak:.1f} GiB:")
        show(large, "set")


if __name__ == "__main__":
    main()
