"""Windows become hits: events with their spans, one hit for each recording, as many as asked for."""

import numpy as np

from espnet_mlclap.search.hits import collect, merge
from espnet_mlclap.search.stores.abs_store import Found, Recording


def found(recording, similarities, first=0):
    """Windows of 10 s every 5 s, in the order in which a store gives them."""
    about = Recording(recording, f"/{recording}.wav", 0.0, 5.0 * len(similarities) + 5)
    return [
        Found(first + number, about, 5.0 * number, 5.0 * number + 10, similarity)
        for number, similarity in enumerate(similarities)
    ]


def ordered(*windows):
    return sorted(sum(windows, []), key=lambda one: (-one.similarity, one.window))


def spans(hits):
    return [(hit.recording.id, hit.start, hit.end, hit.similarity) for hit in hits]


def test_neighbours_that_are_nearly_as_similar_are_one_hit():
    windows = ordered(found(1, [0.1, 0.58, 0.6, 0.57, 0.1, 0.1, 0.3, 0.1]))
    hits = merge(windows, margin=0.05)
    # 5-15, 10-20 and 15-25 are one event; what overlaps it is none; 30-40 is another one
    assert spans(hits) == [(1, 5.0, 25.0, 0.6), (1, 30.0, 40.0, 0.3)]
    assert (hits[0].window, hits[0].best_start, hits[0].best_end) == (2, 10.0, 20.0)


def test_events_apart_are_hits_of_their_own_and_recordings_do_not_mix():
    windows = ordered(found(1, [0.5, 0, 0, 0, 0.49]), found(2, [0.5, 0.5], first=10))
    hits = [one for one in spans(merge(windows, margin=0.05)) if one[3] > 0.1]
    assert hits == [(1, 0.0, 10.0, 0.5), (2, 0.0, 15.0, 0.5), (1, 20.0, 30.0, 0.49)]


def test_without_a_margin_every_hit_is_a_window():
    generator = np.random.default_rng(0)
    windows = ordered(found(1, generator.uniform(size=50).tolist()))
    hits = merge(windows, margin=0.0)
    assert all(hit.end - hit.start == 10 for hit in hits)
    by_time = sorted(hits, key=lambda hit: hit.start)
    assert all(one.end <= later.start for one, later in zip(by_time, by_time[1:]))
    assert hits[0].similarity == max(one.similarity for one in windows)


def test_collect_asks_until_there_are_enough():
    one = found(1, [0.9] * 100)  # a single event that fills what is asked for first
    rest = [found(number, [0.5 - number / 100], first=200 + number)[0] for number in range(2, 12)]
    windows = ordered(one, rest)
    asked = []

    def search(top):
        asked.append(top)
        return windows[:top]

    hits = collect(search, 5)
    assert [hit.recording.id for hit in hits] == [1, 2, 3, 4, 5]
    assert asked == [40, 160]
    assert len(collect(search, 500)) == 11
    assert [hit.recording.id for hit in collect(search, 10, min_similarity=0.46)] == [1, 2, 3, 4]
    apart = ordered(found(1, [0.9, 0, 0, 0.8, 0, 0, 0.7]), found(2, [0.1], first=50))
    best = collect(lambda top: apart[:top], 5, one_per_recording=True)
    assert spans(best) == [(1, 0.0, 10.0, 0.9), (2, 0.0, 10.0, 0.1)]
    kept = collect(search, 3, keep=lambda window: window.recording.id > 5)
    assert [hit.recording.id for hit in kept] == [6, 7, 8]
