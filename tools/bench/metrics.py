#!/usr/bin/env python3
"""Time the retrieval metrics: against a loop over queries, and at 100,000 captions x 20,000 clips.

    python tools/bench/metrics.py           the ratio at 1,045 clips x 5 captions x 1,024 values
    python tools/bench/metrics.py --large   also the large set (a minute, 2 GiB)

The loop does what common retrieval code does: clip by clip, normalise both sides, multiply, sort.
"""

import argparse
import resource
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from espnet_mlclap.evaluation.metrics import retrieval_scores  # noqa: E402


def unit(rows):
    """Rows divided by their norms."""
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)


def loop(audio, text, captions):
    """R@1 of both directions in per cent, clip by clip."""
    found = {"t2a": 0, "a2t": 0}
    for clip in range(len(audio)):
        own = np.arange(clip * captions, (clip + 1) * captions)
        for similarity in unit(text[own]) @ unit(audio).T:
            found["t2a"] += np.argsort(similarity)[-1] == clip
        order = np.argsort(unit(audio[clip][None]) @ unit(text).T)[0, ::-1]
        found["a2t"] += order[0] in own
    return {"t2a": 100 * found["t2a"] / len(text), "a2t": 100 * found["a2t"] / len(audio)}


def make(clips, captions, size):
    """Clips, and captions that are noisy copies of them."""
    generator = np.random.default_rng(0)
    audio = generator.standard_normal((clips, size), dtype=np.float32)
    text = np.repeat(audio, captions, axis=0)
    for start in range(0, len(text), 1000):
        part = text[start : start + 1000]
        part += 8 * generator.standard_normal(part.shape, dtype=np.float32)
    return audio, text, np.repeat(np.arange(clips), captions)


def timed(function, *arguments):
    """Result and seconds."""
    start = time.perf_counter()
    result = function(*arguments)
    return result, time.perf_counter() - start


def main():
    """Print what was measured."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--large", action="store_true", help="100,000 captions x 20,000 clips too")
    options = parser.parse_args()
    audio, text, owners = make(1045, 5, 1024)
    retrieval_scores(audio[:50], text[:250], owners[:250])  # wakes the threads of the BLAS
    fast, seconds = min(
        (timed(retrieval_scores, audio, text, owners) for _ in range(3)), key=lambda run: run[1]
    )
    slow, loop_seconds = timed(loop, audio, text, 5)
    for way, value in slow.items():
        assert abs(fast[way]["R@1"] - value) < 1e-9, (way, fast[way]["R@1"], value)
    print(
        f"1,045 clips x 5 captions x 1,024: {seconds:.2f} s, loop {loop_seconds:.1f} s, "
        f"{loop_seconds / seconds:.0f} times as fast"
    )
    if options.large:
        audio, text, owners = make(20_000, 5, 1024)
        _, seconds = timed(retrieval_scores, audio, text, owners)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        print(f"20,000 clips, 100,000 captions: {seconds:.0f} s, peak memory {peak:.1f} GiB")


if __name__ == "__main__":
    main()
