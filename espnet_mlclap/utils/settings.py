"""Settings as frozen dataclasses, built from what a YAML file holds, with every key and type checked."""

import collections.abc
import dataclasses
import typing
from typing import Any, Type, TypeVar, Union

from espnet_mlclap.utils.config import check_keys, check_mapping
from espnet_mlclap.utils.errors import UserError

T = TypeVar("T")


def build_settings(kind: Type[T], content: Any, where: str) -> T:
    """Build a dataclass whose fields are the keys of `content`, neither more nor fewer.

    A field may be a dataclass itself, str, int, float, bool, an Optional of these, `Tuple[X, ...]` or
    `Tuple[X, Y]` (a YAML list) or `Mapping[str, X]`. A whole number is taken where a float is needed.

    Args:
        kind: the dataclass.
        content: values by name.
        where: the file, and the place in it; comes first in errors.

    Raises:
        UserError: an unknown or a missing key, a value of another type, or what the dataclass itself says.
    """
    types = typing.get_type_hints(kind)
    check_keys(check_mapping(content, where), types, where, required=types)
    values = {key: _value(value, types[key], f"{where}: {key}") for key, value in content.items()}
    try:
        return kind(**values)
    except UserError as error:  # a value out of its range; the dataclass does not know its place
        raise UserError(f"{where}: {error}") from error


def _value(value: Any, wanted: Any, where: str) -> Any:
    if wanted is Any:
        return value
    origin, inside = typing.get_origin(wanted), typing.get_args(wanted)
    if origin is Union:  # Optional
        if value is None:
            return None
        return _value(value, next(kind for kind in inside if kind is not type(None)), where)
    if dataclasses.is_dataclass(wanted):
        return build_settings(typing.cast(type, wanted), value, where)
    if origin is collections.abc.Mapping:
        content = check_mapping(value, where)
        return {key: _value(item, inside[1], f"{where}: {key}") for key, item in content.items()}
    if origin is tuple:
        if not isinstance(value, list):
            raise UserError(f"{where}: must be a list, not {value!r}.")
        kinds = [inside[0]] * len(value) if inside[-1] is ... else inside
        if len(kinds) != len(value):
            raise UserError(f"{where}: must be a list of {len(kinds)} values, not {value!r}.")
        return tuple(_value(item, kind, where) for item, kind in zip(value, kinds))
    if wanted is float and type(value) is int:
        return float(value)
    if type(value) is not wanted:
        point = wanted is float and isinstance(value, str)
        hint = " (YAML needs a point in 1.0e-4)" if point else ""
        raise UserError(f"{where}: must be {wanted.__name__}, not {value!r}.{hint}")
    return value
