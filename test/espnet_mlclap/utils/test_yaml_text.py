"""Keys that stand twice; what is too large or nested is in `test/hostile`."""

import pytest

from espnet_mlclap.utils.errors import UserError
from espnet_mlclap.utils.yaml_text import parse_yaml


@pytest.mark.parametrize(
    ("text", "line", "first"),
    [
        ("a: 1\nb: 2\na: 3\n", 3, 1),
        ("x:\n  - {a: 1}\n  - {b: 1, b: 2}\n", 3, 3),
        ("x:\n  a: {b: [1]}\n  c: 2\n  a:\n", 4, 2),
    ],
)
def test_a_key_that_stands_twice_is_named(text, line, first):
    with pytest.raises(
        UserError, match=f"^list.yaml:{line}: .* given twice, first in line {first}"
    ):
        parse_yaml(text.encode(), "list.yaml")


def test_the_same_key_elsewhere_or_over_a_merge_is_no_second_one():
    text = "a: &base {k: 1, l: 2}\nb:\n  <<: *base\n  k: 3\nc: [k, k, {k: k}]\n1: x\n'1': y\n"
    found = parse_yaml(text.encode(), "list.yaml")
    assert found["b"] == {"k": 3, "l": 2}
    assert found["c"] == ["k", "k", {"k": "k"}]
    assert (found[1], found["1"]) == ("x", "y")
