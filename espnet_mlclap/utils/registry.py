"""Building blocks by name: one line each, loaded when asked for; classes of your own by dotted path.

A registry says `{"ced": "espnet_mlclap.models.audio_encoder.ced:CEDAudioEncoder"}`. Naming a class by where
it is, not by importing it, keeps a command that uses one of ten from loading the other nine. Where a
name is asked for, `package.module:Class` works as well, so that a recipe can bring a class of its own.
"""

import difflib
import importlib
from typing import Iterable, Mapping, Tuple

from espnet_mlclap.utils.errors import UserError


class Registry:
    """The classes of one kind.

    Args:
        kind: what they are, as the option that chooses one is called (`audio_encoder`).
        entries: `module:Class` by name.
        base: `module:Class` that all of them, those from outside too, are subclasses of.
    """

    def __init__(self, kind: str, entries: Mapping[str, str], base: str):
        self.kind = kind
        self.entries = dict(entries)
        self._base = base

    @property
    def names(self) -> Tuple[str, ...]:
        """Names of the built-in classes."""
        return tuple(self.entries)

    def is_custom(self, name: str) -> bool:
        """Is `name` a dotted path to a class that is not built in?"""
        return name not in self.entries and ":" in name

    def get(self, name: str) -> type:
        """Load a class.

        Args:
            name: a built-in name, or `package.module:Class`.

        Raises:
            UserError: an unknown name, a module or class that is not there, or a class of another kind.
        """
        path = self.entries.get(name, name) if isinstance(name, str) else ""
        if ":" not in path:
            raise UserError(
                f"{self.kind}: there is no {name!r}; choose one of {', '.join(self.names)}, or give a class "
                f"of your own as package.module:Class.{did_you_mean(str(name), self.names)}"
            )
        found = _load(path, f"{self.kind}: {name}")
        base = _load(self._base, self.kind)
        if not (isinstance(found, type) and issubclass(found, base)):
            raise UserError(f"{self.kind}: {name} must be a subclass of {self._base}.")
        return found


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """` Did you mean x?` where a known name looks like `name`, else nothing."""
    near = difflib.get_close_matches(name, list(known), n=1)
    return f" Did you mean {near[0]}?" if near else ""


def _load(path: str, where: str) -> type:
    module_name, _, class_name = path.partition(":")
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise UserError(
            f"{where}: the module {module_name} cannot be imported ({error}). Is its folder on PYTHONPATH, "
            "and is what it needs installed?"
        ) from error
    try:
        return getattr(module, class_name)
    except AttributeError as error:
        raise UserError(f"{where}: {module_name} has no {class_name!r}.") from error
