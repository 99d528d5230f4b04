"""What is heard in a clip, as plain data: events with their marks, and the order they come in.

A scene is one to three events. Events that sound together form a group; groups follow each other:

    ((dog, loud), (rain)), ((bell, 2 times))     a dog barks loudly while rain falls, then a bell
                                                 rings twice

Which part of the corpus a scene may appear in is decided by its combination of sounds alone (see
`part_of`), whatever the seed: no combination of the test part is ever trained on, neither here nor
by the small SONAR of this recipe.
"""

import zlib
from dataclasses import dataclass
from typing import Mapping, Optional, Sequence

import numpy as np

# Every source may be quiet or loud. Those that repeat may be slow or fast, or come a given number
# of times where one stroke can be told from the next.
MARKS: Mapping[str, tuple[str, ...]] = {
    "rain": (),
    "wind": (),
    "thunder": (),
    "siren": (),
    "applause": (),
    "bird": (),
    "cricket": (),
    "engine": ("pace",),
    "clock": ("pace",),
    "footsteps": ("pace",),
    "drops": ("pace",),
    "bell": ("pace", "count"),
    "dog": ("pace", "count"),
    "beep": ("pace", "count"),
    "knock": ("pace", "count"),
    "horn": ("count",),
}
SOURCES = tuple(MARKS)
LOUDNESS = ("quiet", "loud")
PACES = ("slow", "fast")
COUNTS = (2, 3)
PARTS = ("train", "valid", "test")
MAX_EVENTS = 3

# Numbers of events in each group, in order.
STRUCTURES: Mapping[int, tuple[tuple[int, ...], ...]] = {
    1: ((1,),),
    2: ((1, 1), (2,)),
    3: ((1, 1, 1), (2, 1), (1, 2)),
}


@dataclass(frozen=True)
class Event:
    """One sound: its source and what is worth saying about it (None: nothing)."""

    source: str
    loudness: Optional[str] = None  # one of LOUDNESS
    pace: Optional[str] = None  # one of PACES
    count: Optional[int] = None  # one of COUNTS


@dataclass(frozen=True)
class Scene:
    """Groups of simultaneous events, in the order they are heard."""

    groups: tuple[tuple[Event, ...], ...]

    @property
    def events(self) -> tuple[Event, ...]:
        return tuple(event for group in self.groups for event in group)

    @property
    def description(self) -> tuple[tuple[Event, ...], ...]:
        """Equal for two scenes that sound the same: within a group, order means nothing."""
        return tuple(tuple(sorted(group, key=repr)) for group in self.groups)

    @property
    def combination(self) -> str:
        """The sources of a scene of several events; the source and its marks of a single event."""
        if len(self.events) == 1:
            event = self.events[0]
            return f"{event.source} {event.loudness} {event.pace} {event.count}"
        return " ".join(sorted(event.source for event in self.events))


def part_of(scene: Scene) -> str:
    """The part of the corpus ("train", "valid" or "test") that a scene belongs to.

    A checksum of the combination decides: 65 % of the combinations are for training, 10 % for
    validation and 25 % for the test.
    """
    place = zlib.crc32(scene.combination.encode()) % 20
    return "train" if place < 13 else "valid" if place < 15 else "test"


def sample_event(rng: np.random.Generator, source: str, mark_probability: float) -> Event:
    """Draw the marks of one event, each with `mark_probability`."""
    loudness = str(rng.choice(LOUDNESS)) if rng.random() < mark_probability else None
    pace, count = None, None
    if MARKS[source] and rng.random() < mark_probability:
        if rng.choice(MARKS[source]) == "pace":
            pace = str(rng.choice(PACES))
        else:
            count = int(rng.choice(COUNTS))
    return Event(source, loudness, pace, count)


def sample_scene(
    rng: np.random.Generator,
    part: str,
    event_weights: Sequence[float],
    mark_probability: float,
) -> Scene:
    """Draw a scene of one part of the corpus.

    Args:
        part: one of PARTS.
        event_weights: how often scenes have one, two and three events; they sum to 1.
        mark_probability: how often an event's loudness is marked; its pace or count, likewise.
    """
    if part not in PARTS:
        raise ValueError(f"part must be one of {', '.join(PARTS)}, not {part!r}")
    number = int(rng.choice(np.arange(1, MAX_EVENTS + 1), p=np.asarray(event_weights)))
    while True:
        sources = rng.choice(SOURCES, size=number, replace=False)
        events = [sample_event(rng, str(source), mark_probability) for source in sources]
        structure = STRUCTURES[number][rng.integers(len(STRUCTURES[number]))]
        groups = []
        for size in structure:
            groups.append(tuple(events[:size]))
            events = events[size:]
        scene = Scene(tuple(groups))
        if part_of(scene) == part:
            return scene
