"""The one reader of YAML configuration: `base:`, and what to say about an unknown key.

A file may say only what it changes: `base: train.yaml` names another one that it is based on; what it says
itself then comes on top, so that a number is in one place, however many configurations share it. ESPnet
reads one flat file: `resolve_arguments` writes it.
"""

from pathlib import Path
from typing import Any, Collection, Dict, Iterator, List, Mapping, Sequence, Tuple, Union

import yaml

from espnet_mlclap.utils.atomic import atomic_open
from espnet_mlclap.utils.errors import UserError
from espnet_mlclap.utils.reading import regular_file
from espnet_mlclap.utils.registry import did_you_mean
from espnet_mlclap.utils.yaml_text import MOST_BYTES, parse_yaml

BASE = "base"
_CACHES = ("store", "token_store")  # keys that name folders which only save time
# in the experiment's folder: the configuration with what it is based on, and the checkpoint to test
RESOLVED_NAME = "train.yaml"
BEST_MODEL = "valid.mAP@10.best.pth"


def read_yaml(path: Union[str, Path]) -> Dict[str, Any]:
    """Read a YAML file that holds values by name, without looking at `base`; an empty file holds none.

    Raises:
        UserError: it cannot be read, is no regular file, or what `parse_yaml` and `check_mapping` refuse.
    """
    path = regular_file(path)
    try:
        with path.open("rb") as file:
            content = parse_yaml(file.read(MOST_BYTES + 1), path)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}).") from error
    return check_mapping({} if content is None else content, path)


def check_mapping(content: Any, where: Union[str, Path]) -> Dict[str, Any]:
    """Give back `content`, which must be values by name.

    Raises:
        UserError: names the place and what is there instead.
    """
    if not isinstance(content, dict):
        raise UserError(f"{where}: must hold `key: value` lines, not a {type(content).__name__}.")
    return content


def check_keys(
    conf: Mapping[str, Any],
    known: Collection[str],
    where: Union[str, Path],
    required: Collection[str] = (),
) -> None:
    """Make sure that a configuration has no unknown key, and all that are required.

    Args:
        conf: values by name.
        known: the keys there are.
        where: file and place in it; comes first in the error.
        required: keys that must be there.

    Raises:
        UserError: names the key, the place, the one that was probably meant and the keys there are.
    """
    for key in conf:
        if key not in known:
            hint = did_you_mean(str(key), known)
            raise UserError(f"{where}: unknown key {key!r}.{hint} Known keys: {', '.join(known)}.")
    for key in required:
        if key not in conf:
            raise UserError(f"{where}: the key {key!r} is missing.")


def check_options_of(arguments: Sequence[str], known: Collection[str]) -> None:
    """Make sure that the file of `--config`, and those that it is based on, hold no unknown option.

    Args:
        arguments: of a command.
        known: the options there are.

    Raises:
        UserError: names the file, the option, and the one that was probably meant; or see `read_config`.
    """
    _, path = _value_of(list(arguments), "--config")
    for file, own in _layers(Path(path)) if path else []:
        for key in own:
            if key not in known:
                raise UserError(
                    f"{file}: there is no option {key!r}.{did_you_mean(str(key), known)}"
                )


def read_config(path: Union[str, Path]) -> Dict[str, Any]:
    """Read a configuration with everything that it is based on.

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


def config_files(path: Union[str, Path]) -> List[Path]:
    """The files and folders that a configuration consists of.

    Returns:
        The file, those that it is based on, and what its values name and is there: paths with a folder in
        them (`conf/small_bert`), relative to the working directory. Folders that only save time (`store`) are
        left out: what is in them changes nothing.

    Raises:
        UserError: see `read_config`.
    """
    files = [file for file, _ in _layers(Path(path))]
    named = [Path(text) for text in _texts(read_config(path)) if "/" in text]
    return [*files, *(file for file in dict.fromkeys(named) if file.exists())]


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            if key not in _CACHES:
                yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)


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
        try:
            again = path.resolve() in (file for file, _ in layers)
        except (OSError, RuntimeError, ValueError) as error:  # links in a circle, a NUL in the name
            raise UserError(f"{layers[-1][0]}: base: {base!r} cannot be read ({error}).") from error
        if again:
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
        raise UserError(
            f"{path}: has a `base`; --output_dir is needed for the complete configuration."
        )
    resolved = Path(output_dir) / RESOLVED_NAME
    with atomic_open(resolved) as file:
        file.write(f"# {path} and what it is based on\n")
        yaml.safe_dump(read_config(path), file, sort_keys=False, allow_unicode=True)
    arguments[at] = f"--config={resolved}"
    return arguments


def _value_of(arguments: List[str], option: str) -> Tuple[int, Any]:
    """Where an option's value is, the option and its value made one argument; the last counts."""
    found: Tuple[int, Any] = (-1, None)
    position = 0
    while position < len(arguments):
        if arguments[position] == option and position + 1 < len(arguments):
            arguments[position : position + 2] = [f"{option}={arguments[position + 1]}"]
        if arguments[position].startswith(f"{option}="):
            found = (position, arguments[position].partition("=")[2])
        position += 1
    return found
