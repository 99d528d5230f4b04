"""Settings of stage 2, from YAML (`conf/translation.yaml` has them all with their meaning)."""

import dataclasses
import difflib
import typing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Mapping, Optional, Sequence, Union

import yaml

from espnet_mlclap.language_enhancement.chat import ChatConfig
from espnet_mlclap.language_enhancement.huggingface import HuggingfaceConfig
from espnet_mlclap.language_enhancement.quality import QualityConfig
from espnet_mlclap.language_enhancement.sonar import SonarConfig
from espnet_mlclap.utils.errors import UserError


@dataclass(frozen=True)
class TranslationConfig:
    """All settings of stage 2.

    Attributes:
        captions_per_clip: "one" (one random caption for each clip and language) or "all".
        sonar, huggingface, chat: settings of the translators.
        quality: thresholds of the checks.
    """

    captions_per_clip: str
    sonar: SonarConfig
    huggingface: HuggingfaceConfig
    chat: ChatConfig
    quality: QualityConfig

    def __post_init__(self) -> None:
        if self.captions_per_clip not in ("one", "all"):
            raise UserError(f"captions_per_clip must be one or all, not {self.captions_per_clip!r}")


def read_config(
    paths: Sequence[Union[str, Path]], changes: Optional[Mapping[str, Any]] = None
) -> TranslationConfig:
    """Read YAML files, a later one over an earlier one, and lay `changes` over them.

    Args:
        paths: YAML files.
        changes: settings from the command line, nested like the files.

    Raises:
        UserError: a file that is not YAML, an unknown key (with the known ones), a missing key, or a
            value of the wrong type.
    """
    merged: Dict[str, Any] = {}
    for path in paths:
        settings = _read_yaml(Path(path))
        _check_settings(TranslationConfig, settings, str(path))
        _merge(merged, settings)
    _merge(merged, changes or {})
    where = " and ".join(str(path) for path in paths)
    try:
        return _build(TranslationConfig, merged, where, "")
    except UserError as error:
        message = str(error)
        raise UserError(message if message.startswith(where) else f"{where}: {message}") from error


def _read_yaml(path: Path) -> Dict[str, Any]:
    try:
        settings = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}).") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not YAML: {error}") from error
    if settings is None:
        return {}
    if not isinstance(settings, dict):
        raise UserError(f"{path}: must hold `key: value` lines, not a {type(settings).__name__}.")
    return settings


def _check_settings(kind: type, settings: Mapping[str, Any], where: str, inside: str = "") -> None:
    types = typing.get_type_hints(kind)
    for key, value in settings.items():
        if key not in types:
            near = difflib.get_close_matches(str(key), types, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else f" Known are {', '.join(types)}."
            raise UserError(f"{where}: unknown key {inside + str(key)!r}.{hint}")
        if dataclasses.is_dataclass(types[key]):
            if not isinstance(value, dict):
                raise UserError(f"{where}: {inside + key!r} must hold `key: value` lines.")
            _check_settings(types[key], value, where, f"{inside}{key}.")
        else:
            _value(value, types[key], f"{where}: {inside}{key}")


def _merge(target: Dict[str, Any], settings: Mapping[str, Any]) -> None:
    for key, value in settings.items():
        if isinstance(value, Mapping):
            _merge(target.setdefault(key, {}), value)
        else:
            target[key] = value


def _build(kind: type, settings: Mapping[str, Any], where: str, inside: str) -> Any:
    types = typing.get_type_hints(kind)
    values = {}
    for key, wanted in types.items():
        if key not in settings:
            raise UserError(f"{where}: the key {inside + key!r} is missing.")
        if dataclasses.is_dataclass(wanted):
            values[key] = _build(wanted, settings[key], where, f"{inside}{key}.")
        else:
            values[key] = _value(settings[key], wanted, f"{where}: {inside}{key}")
    return kind(**values)


def _value(value: Any, wanted: Any, where: str) -> Any:
    if typing.get_origin(wanted) is Union:  # Optional
        if value is None:
            return None
        wanted = next(kind for kind in typing.get_args(wanted) if kind is not type(None))
    if wanted is float and type(value) is int:
        return float(value)
    if type(value) is not wanted:
        hint = ""
        if wanted is float and isinstance(value, str):
            hint = " (YAML wants a point in 1.0e-4)"
        raise UserError(f"{where} must be {wanted.__name__}, not {value!r}.{hint}")
    return value
