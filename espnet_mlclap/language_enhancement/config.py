"""Settings of stage 2, from YAML (`translation.yaml` next to this file has them all with their meaning)."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Mapping, Optional, Sequence, Union

from espnet_mlclap.language_enhancement.quality import QualityConfig
from espnet_mlclap.language_enhancement.registry import translators
from espnet_mlclap.utils.config import check_keys, check_mapping, merge, read_config
from espnet_mlclap.utils.errors import UserError
from espnet_mlclap.utils.settings import build_settings

DEFAULTS = Path(__file__).with_name("translation.yaml")
CUSTOM = "custom"  # settings of a translator from outside


@dataclass(frozen=True)
class TranslationConfig:
    """All settings of stage 2.

    Attributes:
        captions_per_clip: "one" (one random caption for each clip and language) or "all".
        quality: thresholds of the checks.
        translators: settings of each translator of the registry, of its `settings_class`.
        custom: settings of a translator from outside, not yet checked.
    """

    captions_per_clip: str
    quality: QualityConfig
    translators: Mapping[str, Any]
    custom: Mapping[str, Any]

    def of(self, translator: str) -> Any:
        """Settings of a translator, by its name or dotted path.

        Raises:
            UserError: an unknown translator, or settings under `custom` that are not its own.
        """
        if not translators.is_custom(translator):
            translators.get(translator)
            return self.translators[translator]
        return build_settings(
            translators.get(translator).settings_class, self.custom, f"{CUSTOM} ({translator})"
        )


def read_settings(
    paths: Sequence[Union[str, Path]] = (), changes: Optional[Mapping[str, Any]] = None
) -> TranslationConfig:
    """Read what changes the shipped settings: YAML files, a later one over an earlier one, then `changes`.

    Args:
        paths: YAML files; each may have a `base:`.
        changes: settings from the command line, nested like the files.

    Raises:
        UserError: a file that is not YAML, an unknown key (with the known ones), or a value of the wrong
            type.
    """
    layers = [(str(path), read_config(path)) for path in (DEFAULTS, *paths)]
    layers.append(("command line", dict(changes or {})))
    settings: Dict[str, Any] = {}
    for where, own in layers:  # what is wrong after a layer is that layer's mistake
        settings = merge(settings, own)
        config = _build(settings, where)
    return config


def _build(settings: Mapping[str, Any], where: str) -> TranslationConfig:
    keys = ("captions_per_clip", *translators.names, CUSTOM, "quality")
    check_keys(settings, keys, where, required=keys)
    captions_per_clip = settings["captions_per_clip"]
    if captions_per_clip not in ("one", "all"):
        raise UserError(f"{where}: captions_per_clip must be one or all, not {captions_per_clip!r}")
    return TranslationConfig(
        captions_per_clip=captions_per_clip,
        quality=build_settings(QualityConfig, settings["quality"], f"{where}: quality"),
        translators={
            name: build_settings(
                translators.get(name).settings_class, settings[name], f"{where}: {name}"
            )
            for name in translators.names
        },
        custom=check_mapping(settings[CUSTOM], f"{where}: {CUSTOM}"),
    )
