"""A scene as plain data, and what can be said of it: which captions fit which scenes is decided here.

A scene is a row of groups that follow each other; the sounds of a group are heard at the same time, one of
them perhaps in the background:

    ((dog, rain in the background), (clock_tick))   a dog barks, with rain behind it; then a clock ticks

A claim is what a caption says: a kind, and the labels that it names in the order in which it names them. It
fits every scene of which it is true, whatever else is heard there: "a dog barks, then a clock ticks" is true
of the scene above.
"""

from dataclasses import dataclass
from itertools import permutations
from typing import Dict, List, Mapping, Optional, Sequence, Tuple

import numpy as np

#: Claims that name sounds in their order: how many at a time.
ORDERS: Mapping[str, Tuple[int, ...]] = {
    "then": (1, 1),
    "while": (2,),
    "then_then": (1, 1, 1),
    "while_then": (2, 1),
    "then_while": (1, 2),
}
#: All kinds of claims, with the number of labels that they name.
KINDS: Mapping[str, int] = {
    "one": 1,
    "starts": 1,
    "ends": 1,
    "two": 2,
    "three": 3,
    "over": 2,
    **{kind: sum(sizes) for kind, sizes in ORDERS.items()},
}


@dataclass(frozen=True)
class Scene:
    """Labels of the sounds that are heard at the same time, group after group; no label twice.

    Attributes:
        groups: labels.
        background: labels of the sounds that are in the background of their group.
    """

    groups: Tuple[Tuple[str, ...], ...]
    background: Tuple[str, ...] = ()

    @property
    def labels(self) -> Tuple[str, ...]:
        return tuple(label for group in self.groups for label in group)

    @property
    def places(self) -> Dict[str, int]:
        """Number of its group by label, from 0."""
        return {label: place for place, group in enumerate(self.groups) for label in group}


@dataclass(frozen=True)
class Claim:
    """What a caption says: a key of KINDS, and the labels that it names."""

    kind: str
    labels: Tuple[str, ...]

    def fits(self, scene: Scene) -> bool:
        """Is it true of the scene?"""
        places = [scene.places.get(label) for label in self.labels]
        if None in places:
            return False
        if self.kind == "starts":
            return places == [0]
        if self.kind == "ends":
            return places == [len(scene.groups) - 1]
        if self.kind == "over":
            return places[0] == places[1] and self.labels[1] in scene.background
        if self.kind in ORDERS:
            return _in_order(places, ORDERS[self.kind])
        return True


def _in_order(places: Sequence[Optional[int]], sizes: Sequence[int]) -> bool:
    """Are the places equal within groups of these sizes, and do they grow from group to group?"""
    expected, before = [], -1
    for size in sizes:
        place = places[len(expected)]
        if place is None or place <= before:
            return False
        expected += [place] * size
        before = place
    return list(places) == expected


def whole(scene: Scene) -> List[Claim]:
    """The claims that tell all sounds and their order (not which of them is in the background)."""
    sizes = tuple(len(group) for group in scene.groups)
    kind = next(name for name, one in ORDERS.items() if one == sizes)
    return [claim for claim in _claims(scene, kind) if claim.fits(scene)]


def parts(scene: Scene) -> Dict[str, List[Claim]]:
    """All other claims that are true of the scene, by kind."""
    complete = whole(scene)[0].kind
    found = {
        kind: [claim for claim in _claims(scene, kind) if claim.fits(scene)]
        for kind in KINDS
        if kind != complete
    }
    return {kind: claims for kind, claims in found.items() if claims}


def _claims(scene: Scene, kind: str) -> List[Claim]:
    return [Claim(kind, labels) for labels in permutations(scene.labels, KINDS[kind])]


def draw_scene(
    rng: np.random.Generator, labels: Sequence[str], two_sounds: float, background: float
) -> Scene:
    """Draw a scene of two or three different sounds.

    Args:
        labels: to draw from.
        two_sounds: share of scenes with two sounds.
        background: share of groups of two of which one is in the background.
    """
    number = 2 if rng.random() < two_sounds else 3
    kinds = [kind for kind, sizes in ORDERS.items() if sum(sizes) == number]
    sizes = ORDERS[kinds[rng.integers(len(kinds))]]
    left = [str(label) for label in rng.choice(labels, size=number, replace=False)]
    groups = []
    for size in sizes:
        groups.append(tuple(left[:size]))
        left = left[size:]
    behind = [group[1] for group in groups if len(group) == 2 and rng.random() < background]
    return Scene(tuple(groups), tuple(behind))
