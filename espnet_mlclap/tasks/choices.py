"""The registries as ESPnet's options: `--audio_encoder ced --audio_encoder_conf size=tiny`."""

import argparse
from typing import Any, Optional, Tuple

from espnet2.train.class_choices import ClassChoices
from espnet2.utils.nested_dict_action import NestedDictAction

from espnet_mlclap.models.registry import MODEL_REGISTRIES
from espnet_mlclap.objectives.registry import OBJECTIVE_REGISTRIES
from espnet_mlclap.utils.registry import Registry


class RegistryChoices(ClassChoices):
    """A registry in the form that ESPnet's tasks need; also takes classes by dotted path.

    Args:
        registry: the classes by name.
        default: name that is taken where none is given.
    """

    def __init__(self, registry: Registry, default: str):
        super().__init__(registry.kind, {}, default=default)
        self.registry = registry
        self.optional = False

    def choices(self) -> Tuple[Optional[str], ...]:
        return self.registry.names

    def get_class(self, name: Optional[str]) -> Optional[type]:
        return None if name is None else self.registry.get(name)

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add `--<kind>` and `--<kind>_conf`; whether a name exists is checked when it is built."""
        parser.add_argument(
            f"--{self.name}",
            default=self.default,
            metavar="NAME",
            help=f"one of {', '.join(self.registry.names)}, or package.module:Class",
        )
        parser.add_argument(
            f"--{self.name}_conf",
            action=NestedDictAction,
            default={},
            help=f"settings of {self.name}",
        )


def all_choices() -> list[Any]:
    """One for each registry of models and objectives.

    ESPnet's trainer reads `args.model_conf`, so that one of them must be called `model`.
    """
    registries = {**MODEL_REGISTRIES, **OBJECTIVE_REGISTRIES}
    return [RegistryChoices(registry, default) for registry, default in registries.items()]
