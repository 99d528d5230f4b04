"""Settings as frozen dataclasses, built from what a YAML file holds, with every key and type checked."""

import collections.abc
import dataclasses
import inspect
import typing
from typing import Any, Dict, Mapping, Optional, Type, TypeVar, Union

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


def check_types(
    content: Mapping[str, Any], types: Mapping[str, Any], where: str, *, required: bool = False
) -> None:
    """Check the values of a configuration, or of another file, that also has other keys.

    Args:
        content: values by name.
        types: the type of each value, where it is there: those of `build_settings`, `Sequence[X]` and
            `Dict[str, X]`; any value will do for other types.
        where: the file, and the place in it; comes first in errors.
        required: all of them must be there.

    Raises:
        UserError: a value of another type, or one that is missing.
    """
    for key, kind in types.items():
        if key in content:
            _value(content[key], kind, f"{where}: {key}")
        elif required:
            raise UserError(f"{where}: the key {key!r} is missing.")


def constructor_parameters(cls: type) -> Dict[str, inspect.Parameter]:
    """The arguments of a class by name, where `**others` stands for those of the next class above it."""
    found: Dict[str, inspect.Parameter] = {}
    for owner in cls.__mro__:
        if "__init__" not in vars(owner):
            continue
        parameters = list(inspect.signature(owner.__init__).parameters.values())[1:]
        for parameter in parameters:
            if parameter.kind not in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL):
                found.setdefault(parameter.name, parameter)
        if not any(parameter.kind == parameter.VAR_KEYWORD for parameter in parameters):
            break
    return found


def constructor_types(cls: type) -> Dict[str, Any]:
    """The types of the arguments of a class, as far as it states them, for `check_types`."""
    parameters = constructor_parameters(cls)
    hints: Dict[str, Any] = {}
    for owner in cls.__mro__:
        try:
            stated = typing.get_type_hints(owner.__init__)
        except NameError:  # of a module that is imported for type checkers alone
            continue
        hints = {**stated, **hints}
    return {
        name: Optional[hints[name]] if parameter.default is None else hints[name]
        for name, parameter in parameters.items()
        if name in hints
    }


def _value(value: Any, wanted: Any, where: str) -> Any:
    if wanted is Any:
        return value
    origin, inside = typing.get_origin(wanted), typing.get_args(wanted)
    if origin is Union:
        kinds = [kind for kind in inside if kind is not type(None)]
        if value is None and len(kinds) < len(inside):
            return None
        return _value(value, kinds[0], where) if len(kinds) == 1 else value
    if dataclasses.is_dataclass(wanted):
        return build_settings(typing.cast(type, wanted), value, where)
    if origin in (collections.abc.Mapping, dict):
        content = check_mapping(value, where)
        return {key: _value(item, inside[1], f"{where}: {key}") for key, item in content.items()}
    if origin in (tuple, list, collections.abc.Sequence):
        if not isinstance(value, (list, tuple)):
            raise UserError(f"{where}: must be a list, not {value!r}.")
        of_any_length = origin is not tuple or inside[-1] is ...
        kinds = [inside[0]] * len(value) if of_any_length else inside
        if len(kinds) != len(value):
            raise UserError(f"{where}: must be a list of {len(kinds)} values, not {value!r}.")
        return tuple(_value(item, kind, where) for item, kind in zip(value, kinds))
    if wanted is float and type(value) is int:
        return float(value)
    if wanted not in (str, int, float, bool):
        return value
    if type(value) is not wanted or value != value:  # NaN is no number either
        point = wanted is float and isinstance(value, str)
        hint = " (YAML needs a point in 1.0e-4)" if point else ""
        raise UserError(f"{where}: must be {wanted.__name__}, not {value!r}.{hint}")
    return value
