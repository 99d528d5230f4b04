"""Settings as dataclasses: every key and type is checked, and mistakes are named with their place."""

from dataclasses import dataclass
from pathlib import Path
from typing import Dict, Mapping, Optional, Sequence, Tuple, Union

import pytest

from espnet_mlclap.utils.errors import UserError
from espnet_mlclap.utils.settings import (
    build_settings,
    check_types,
    constructor_parameters,
    constructor_types,
)


@dataclass(frozen=True)
class Part:
    size: int
    share: float

    def __post_init__(self):
        if self.share > 1:
            raise UserError(f"share must be at most 1, not {self.share}")


@dataclass(frozen=True)
class Whole:
    name: Optional[str]
    part: Part
    limits: Tuple[float, ...]
    span: Tuple[float, float]
    parts: Mapping[str, Part]


GOOD = {
    "name": None,
    "part": {"size": 2, "share": 1},
    "limits": [0, 1.5],
    "span": [1, 2],
    "parts": {"a": {"size": 3, "share": 0.5}},
}


def test_every_kind_of_field():
    built = build_settings(Whole, GOOD, "x.yaml")
    assert built == Whole(None, Part(2, 1.0), (0.0, 1.5), (1.0, 2.0), {"a": Part(3, 0.5)})
    assert type(built.part.share) is type(built.limits[0]) is float


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"nam": 1},
            "x.yaml: unknown key 'nam'. Did you mean name. Known keys: name, part, limits",
        ),
        ({"part": {"size": 2}}, "x.yaml: part: the key 'share' is missing"),
        ({"part": {"size": True, "share": 1}}, "x.yaml: part: size: must be int, not True"),
        ({"part": {"size": 1, "share": "1e-4"}}, "part: share: must be float.*YAML needs a point"),
        ({"part": {"size": 1, "share": 2}}, "x.yaml: part: share must be at most 1"),
        ({"parts": {"a": {"size": 1.0, "share": 0}}}, "x.yaml: parts: a: size: must be int"),
        ({"parts": []}, "x.yaml: parts: must hold `key: value` lines, not a list"),
        ({"span": [1, 2, 3]}, "x.yaml: span: must be a list of 2 values, not .1, 2, 3."),
        ({"limits": 3}, "x.yaml: limits: must be a list, not 3"),
        ({"name": 3}, "x.yaml: name: must be str, not 3"),
    ],
)
def test_mistakes_are_named_with_their_place(change, message):
    with pytest.raises(UserError, match=message):
        build_settings(Whole, {**GOOD, **change}, "x.yaml")


class Unknown:
    def __init__(
        self,
        *,
        size: int,
        rates: Sequence[float] = (),
        name: str = None,
        place: Union[str, Path] = "x",
        more: Optional[Dict[str, int]] = None,
        other: "np.ndarray" = None,  # noqa: F821 a name that is not known here
    ):
        pass


class Known:
    def __init__(
        self, *, size: int, names: Optional[Sequence[str]] = None, table: Mapping[str, int] = None
    ):
        pass


def test_the_arguments_that_a_class_declares():
    assert constructor_types(Unknown) == {}, "types that cannot be known are not checked"
    types = constructor_types(Known)
    check_types({"size": 1, "names": ["a"], "table": None, "unknown": 7}, types, "conf")
    check_types({"names": ("a",)}, types, "conf")
    for content, message in (
        ({"size": 1.5}, "conf: size: must be int, not 1.5"),
        ({"size": None}, "conf: size: must be int, not None"),
        ({"size": float("nan")}, "conf: size: must be int, not nan"),
        ({"names": "a"}, "conf: names: must be a list, not 'a'"),
        ({"names": [1]}, "conf: names: must be str, not 1"),
        ({"table": {"a": "x"}}, "conf: table: a: must be int, not 'x'"),
        ({"table": 7}, "conf: table: must hold `key: value` lines"),
    ):
        with pytest.raises(UserError, match=message):
            check_types(content, types, "conf")
    with pytest.raises(UserError, match="conf: the key 'size' is missing"):
        check_types({}, types, "conf", required=True)


class Above(Known):
    def __init__(self, *, depth: int = 3, size: float = 1.0, **others):
        super().__init__(size=round(size), **others)


class OfAbove(Above):
    pass


class Closed(Above):
    def __init__(self, *, width: int):
        super().__init__(depth=width)


def test_other_arguments_are_those_of_the_class_above():
    for cls in (Above, OfAbove):
        assert list(constructor_parameters(cls)) == ["depth", "size", "names", "table"]
        assert constructor_types(cls)["size"] is float, "what a class says of its own comes first"
        with pytest.raises(UserError, match="conf: names: must be a list"):
            check_types({"names": "a"}, constructor_types(cls), "conf")
    assert list(constructor_parameters(Closed)) == ["width"]
    assert constructor_types(Closed) == {"width": int}


def test_no_number_is_not_a_number():
    with pytest.raises(UserError, match="share: must be float, not nan"):
        build_settings(Part, {"size": 1, "share": float("nan")}, "x.yaml")
