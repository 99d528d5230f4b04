"""The model in a packed file, which may be anybody's: its configuration decides what else is read of it.

A configuration from elsewhere may name the classes of this package and files beside itself. What it must not
do unless its reader trusts it (`custom_classes`): name other classes, wrap encoders of other packages
(`frozen`, `sentence_transformers`: those import what their files name), or name files outside of its folder.
"""

import tempfile
from pathlib import Path, PurePosixPath
from typing import Any, Dict, Iterator, Mapping, Tuple, Union

import torch

from espnet_mlclap.fileio.unpacking import MODEL, unpack
from espnet_mlclap.models.experiment import (
    build_experiment,
    load_experiment,
    read_experiment_config,
)
from espnet_mlclap.models.registry import MODEL_REGISTRIES
from espnet_mlclap.models.two_tower import TwoTowerModel
from espnet_mlclap.utils.errors import UserError

_IMPORT_OTHERS = ("frozen", "sentence_transformers")
_KINDS = {registry.kind: registry for registry in MODEL_REGISTRIES}
_BYTES_PER_TENSOR = 4096  # beside its numbers: name, shape, alignment
_MORE_BYTES = 1 << 20


def load_packed(
    archive: Union[str, Path], *, custom_classes: bool = False
) -> Tuple[TwoTowerModel, Dict[str, Any]]:
    """Build the model in a packed file.

    Args:
        archive: the file.
        custom_classes: trust the file: let it name classes of other packages, which then run.

    Returns:
        See `load_experiment`.

    Raises:
        UserError: see `unpack`, `check_configuration` and `load_experiment`.
    """
    with tempfile.TemporaryDirectory() as folder:
        files = unpack(archive, folder, ("config", MODEL), None if custom_classes else most_bytes)
        return load_experiment(files["config"], files[MODEL])


def most_bytes(files: Mapping[str, Path]) -> int:
    """The most bytes that the weights of a packed model may have, by its configuration, which is checked.

    Args:
        files: of a packed model, with `config`.

    Raises:
        UserError: see `check_configuration`.
    """
    config = read_experiment_config(files["config"])
    check_configuration(config, files["config"])
    with torch.device("meta"):  # sizes alone, without memory
        tensors = build_experiment(config, files["config"].parent).state_dict().values()
    own = sum(tensor.numel() * tensor.element_size() + _BYTES_PER_TENSOR for tensor in tensors)
    return own + _MORE_BYTES


def check_configuration(config: Mapping[str, Any], where: Path) -> None:
    """Make sure that a configuration needs nothing but this package and the files beside it.

    Raises:
        UserError: names the key, and how to load the model all the same.
    """
    for kind, name, conf in _parts(config):
        trust = "Load it with custom_classes=True (--custom_classes true) if you trust where it comes from."
        if ":" in name:
            raise UserError(
                f"{where}: {kind}: the model uses {name}, a class from outside this package. {trust}"
            )
        if name in _IMPORT_OTHERS:
            wrapped = conf.get("encoder") or conf.get("model")
            raise UserError(
                f"{where}: {kind}: the model uses {name} ({wrapped}), which runs what its files name. {trust}"
            )
        cls = _KINDS[kind].get(name)
        for key in getattr(cls, "exported_paths", ()):
            path = PurePosixPath(str(conf.get(key) or ""))
            if path.is_absolute() or ".." in path.parts:
                raise UserError(
                    f"{where}: {kind}_conf: {key}: {path} is outside of the packed model."
                )


def _parts(config: Mapping[str, Any]) -> Iterator[Tuple[str, str, Mapping[str, Any]]]:
    """Kind, name and settings of everything that a configuration builds, those inside others too."""
    for kind in _KINDS:
        conf = config.get(f"{kind}_conf") or {}
        if config.get(kind) is not None:
            yield kind, str(config[kind]), conf
        for inner in conf.get("encoders") or ():  # of a fusion
            if isinstance(inner, Mapping):
                yield from _parts(inner)
