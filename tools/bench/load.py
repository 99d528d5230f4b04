#!/usr/bin/env python3
"""How long people wait for `mlclap serve` when many ask at once.

    mlclap serve --port 8080 --queries_per_minute 100000 --burst 1000 &
    python tools/bench/load.py http://127.0.0.1:8080 --people 20 --queries 20

Each person asks again as soon as the answer is there (`--pause 0`), or so many seconds later. Half of them
use words, in several languages, half ask for more like a hit. Printed: median and 95th percentile of the
seconds until the answer is there, and answers per second. The exit status is 1 where the 95th percentile
is above `--at_most` ms.
"""

import argparse
import random
import statistics
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import List

import httpx

WORDS = {
    "eng_Latn": ["a dog barks", "rain on a roof", "a clock ticks", "waves at the sea"],
    "fra_Latn": ["un chien aboie", "la pluie", "une horloge", "les vagues"],
    "jpn_Jpan": ["犬が吠えている", "雨", "時計", "波"],
}


def person(address: str, number: int, options: argparse.Namespace) -> List[float]:
    """Seconds that each of one person's questions took."""
    draws, seconds = random.Random(number), []
    with httpx.Client(base_url=address, trust_env=False, timeout=60) as client:
        windows: List[int] = []
        for _ in range(options.queries):
            lang = draws.choice(list(WORDS))
            question = {"words": draws.choice(WORDS[lang]), "lang": lang}
            if windows and draws.random() < 0.5:
                question = {"like": [draws.choice(windows)]}
            began = time.perf_counter()
            answer = client.post("/search", json=question)
            seconds.append(time.perf_counter() - began)
            answer.raise_for_status()
            windows = [hit["window"] for hit in answer.json()["hits"]]
            time.sleep(options.pause * draws.uniform(0.5, 1.5))
    return seconds


def main() -> None:
    """Ask, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    add = parser.add_argument
    add("address", help="of the server")
    add("--people", type=int, default=20, help="who ask at the same time")
    add("--queries", type=int, default=20, help="of each")
    add("--pause", type=float, default=0.0, help="seconds between an answer and the next question")
    add("--at_most", type=float, default=float("inf"), help="ms, of the 95th percentile")
    options = parser.parse_args()
    began = time.perf_counter()
    with ThreadPoolExecutor(options.people) as pool:
        work = [pool.submit(person, options.address, n, options) for n in range(options.people)]
        seconds = sorted(one for result in work for one in result.result())
    took = time.perf_counter() - began
    p95 = 1000 * seconds[int(0.95 * (len(seconds) - 1))]
    p50 = 1000 * statistics.median(seconds)
    print(
        f"{options.people} people, {len(seconds)} questions: p50 {p50:.0f} ms, p95 {p95:.0f} ms, "
        f"{len(seconds) / took:.0f} answers per second"
    )
    sys.exit(p95 > options.at_most)


if __name__ == "__main__":
    main()
