"""Scenes: what is drawn, and that parts of the corpus share no combination of sounds."""

from collections import Counter

import numpy as np
import pytest

from mini_corpus.scenes import (
    MARKS,
    PARTS,
    SOURCES,
    Event,
    Scene,
    part_of,
    sample_event,
    sample_scene,
)

WEIGHTS = (0.3, 0.4, 0.3)


@pytest.fixture(scope="module")
def drawn():
    rng = np.random.default_rng(0)
    return {part: [sample_scene(rng, part, WEIGHTS, 0.3) for _ in range(1500)] for part in PARTS}


def test_there_are_at_least_twelve_sources():
    assert len(SOURCES) >= 12


def test_no_combination_is_in_two_parts(drawn):
    combinations = {part: {scene.combination for scene in drawn[part]} for part in PARTS}
    assert not combinations["train"] & combinations["test"]
    assert not combinations["train"] & combinations["valid"]
    assert not combinations["valid"] & combinations["test"]


def test_part_does_not_depend_on_order_or_marks_of_several_events():
    dog, rain = Event("dog", "loud"), Event("rain")
    scenes = (
        Scene(((dog, rain),)),
        Scene(((rain,), (dog,))),
        Scene(((Event("rain", "quiet"),), (Event("dog", count=2),))),
    )
    assert len({part_of(scene) for scene in scenes}) == 1
    assert len({scene.combination for scene in scenes}) == 1


def test_description_ignores_order_within_a_group_only():
    a, b = Event("dog"), Event("rain", "loud")
    assert Scene(((a, b),)).description == Scene(((b, a),)).description
    assert Scene(((a,), (b,))).description != Scene(((b,), (a,))).description
    assert Scene(((a,), (b,))).description != Scene(((a, b),)).description


def test_numbers_of_events_follow_the_weights(drawn):
    # drawn before the part is known, and nearly the same share of each number is in every part
    numbers = Counter(len(scene.events) for scene in drawn["train"])
    for number, weight in zip((1, 2, 3), WEIGHTS):
        assert numbers[number] / len(drawn["train"]) == pytest.approx(weight, abs=0.05)


def test_every_source_is_trained_on_with_each_of_its_marks(drawn):
    seen = {source: set() for source in SOURCES}
    for scene in drawn["train"]:
        assert len({event.source for event in scene.events}) == len(scene.events)
        for event in scene.events:
            seen[event.source] |= {event.loudness, event.pace, event.count}
    for source, marks in MARKS.items():
        wanted = {"quiet", "loud"}
        wanted |= {"slow", "fast"} if "pace" in marks else set()
        wanted |= {2, 3} if "count" in marks else set()
        assert wanted <= seen[source]


def test_marks_are_as_frequent_as_asked():
    rng = np.random.default_rng(1)
    events = [sample_event(rng, "dog", 0.3) for _ in range(4000)]
    assert np.mean([event.loudness is not None for event in events]) == pytest.approx(0.3, abs=0.03)
    marked = np.mean([event.pace is not None or event.count is not None for event in events])
    assert marked == pytest.approx(0.3, abs=0.03)
    assert not any(event.pace and event.count for event in events)
    assert all(sample_event(rng, "rain", 1.0).pace is None for _ in range(10))


def test_unknown_part_is_refused():
    with pytest.raises(ValueError, match="train, valid, test"):
        sample_scene(np.random.default_rng(0), "dev", WEIGHTS, 0.3)
