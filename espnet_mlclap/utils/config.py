"""Training configurations that say only what they change: `base: train.yaml` in the first line.

ESPnet reads one flat YAML file. Here a file may name another one that it is based on; what it says itself
then comes on top, so that a number stands in one place however many configurations share it.
"""

from pathlib import Path
from typing import Any, Dict, List, Mapping, Sequence, Tuple, Union

import yaml

from espnet_mlclap.utils.atomic import atomic_open
from espnet_mlclap.utils.errors import UserError

BASE = "base"
# in the experiment's folder: the configuration with what it is based on, and the checkpoint to test
RESOLVED_NAME = "train.yaml"
BEST_MODEL = "valid.mAP@10.best.pth"


def read_yaml(path: Union[str, Path]) -> Dict[str, Any]:
    """Read a YAML file that holds options by name.

    Raises:
        UserError: it cannot be read, is not YAML, or holds something else.
    """
    try:
        content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8"
        raise UserError(f"{path}: cannot be read ({reason}).") from error
    except yaml.YAMLError as error:
        raise UserError(f"{path}: not YAML ({error}).") from error
    if not isinstance(content, dict):
        raise UserError(f"{path}: must hold options by name.")
    return content


def read_config(path: Union[str, Path]) -> Dict[str, Any]:
    """Read a training configuration with everything that it is based on.

    A file's own values replace those of its base; dictionaries are merged key by key. Where a file
    names another building block than its base (`audio_encoder: sonar_speech`), the base's settings of
    that block (`audio_encoder_conf`) are left out.

    Args:
        path: YAML file; its `base` is relative to the file's folder.

    Returns:
        The options, without `base`.

    Raises:
        UserError: a file cannot be read, or is based on itself.
    """
    config: Dict[str, Any] = {}
    for _, own in reversed(_layers(Path(path))):
        config = merge(config, own)
    return config


def _layers(path: Path) -> List[Tuple[Path, Dict[str, Any]]]:
    """The file and what it is based on, nearest first."""
    layers: List[Tuple[Path, Dict[str, Any]]] = []
    while True:
        content = read_yaml(path)
        base = content.pop(BASE, None)
        layers.append((path.resolve(), content))
        if base is None:
            return layers
        path = path.parent / str(base)
        if path.resolve() in (file for file, _ in layers):
            raise UserError(f"{layers[-1][0]}: base: {base} is in the end based on this very file.")


def merge(base: Mapping[str, Any], own: Mapping[str, Any]) -> Dict[str, Any]:
    """`own` on top of `base`; neither is changed."""
    merged = dict(base)
    for name, value in own.items():
        if f"{name}_conf" in merged and merged.get(name) != value:
            del merged[f"{name}_conf"]
    for name, value in own.items():
        before = merged.get(name)
        if isinstance(before, Mapping) and isinstance(value, Mapping):
            merged[name] = merge(before, value)
        else:
            merged[name] = value
    return merged


def resolve_arguments(arguments: Sequence[str]) -> List[str]:
    """Let `--config` point to a file without `base`, for ESPnet.

    The whole configuration is written to `train.yaml` in the folder given by `--output_dir`; arguments
    whose file has no `base` stay as they are.

    Raises:
        UserError: see `read_config`; or there is no `--output_dir`.
    """
    arguments = list(arguments)
    at, path = _value_of(arguments, "--config")
    if path is None or BASE not in read_yaml(path):
        return arguments
    _, output_dir = _value_of(arguments, "--output_dir")
    if output_dir is None:
        raise UserError(f"{path}: has a `base`; --output_dir is needed to write the whole to.")
    resolved = Path(output_dir) / RESOLVED_NAME
    with atomic_open(resolved) as file:
        file.write(f"# {path} and what it is based on\n")
        yaml.safe_dump(read_config(path), file, sort_keys=False, allow_unicode=True)
    arguments[at] = f"--config={resolved}"
    return arguments


def _value_of(arguments: List[str], option: str) -> Tuple[int, Any]:
    """Where an option's value stands, the option and its value made one argument; the last counts."""
    found: Tuple[int, Any] = (-1, None)
    position = 0
    while position < len(arguments):
        if arguments[position] == option and position + 1 < len(arguments):
            arguments[position : position + 2] = [f"{option}={arguments[position + 1]}"]
        if arguments[position].startswith(f"{option}="):
            found = (position, arguments[position].partition("=")[2])
        position += 1
    return found
