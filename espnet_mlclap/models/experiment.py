"""The model of an experiment: built from its config.yaml, with its weights, which must fit."""

import copy
from pathlib import Path
from typing import Any, Dict, Mapping, Tuple, Union

from espnet_mlclap.checkpoints.state_dict import load_state_dict, load_weights, without_learnt
from espnet_mlclap.models.registry import (
    audio_encoders,
    build_model,
    check_model_config,
    text_encoders,
)
from espnet_mlclap.models.two_tower import TwoTowerModel
from espnet_mlclap.utils.config import read_yaml
from espnet_mlclap.utils.errors import UserError
from espnet_mlclap.utils.normalize import normalizer
from espnet_mlclap.utils.registry import Registry


def load_experiment(
    config_file: Union[str, Path], model_file: Union[str, Path]
) -> Tuple[TwoTowerModel, Dict[str, Any]]:
    """Build the model that `config.yaml` of an experiment describes and load its weights.

    Args:
        config_file: the experiment's config.yaml; paths in it are relative to its folder. The classes that it
            names run: one from people whom you do not trust goes through `models/packed.py`.
        model_file: a state dict saved while training.

    Returns:
        The model in evaluation mode, and the configuration.

    Raises:
        UserError: a file is missing or broken, or the weights do not fit the configuration.
    """
    config_file = Path(config_file)
    config = read_experiment_config(config_file)
    model = build_experiment(config, config_file.parent)
    states, _ = without_learnt(load_state_dict(model_file))
    load_weights(model, states, str(model_file))
    _ = model.text_encoder.tokenizer  # read now: the files of a packed model are temporary
    return model.eval(), config


def read_experiment_config(config_file: Union[str, Path]) -> Dict[str, Any]:
    """Read `config.yaml` of an experiment of this or an earlier version; nothing that it names is looked at.

    Raises:
        UserError: missing or broken, or not of an experiment.
    """
    config = read_yaml(config_file)
    for name in (audio_encoders.kind, text_encoders.kind):
        if not isinstance(config.get(name), str):
            raise UserError(f"{config_file}: {name!r} is missing; give the config.yaml of stage 5.")
    check_model_config(config, str(config_file))
    normalizer(config.get("text_normalization", "none"), str(config_file))
    return _of_this_version(config)


def build_experiment(config: Mapping[str, Any], folder: Path) -> TwoTowerModel:
    """Build the model of an experiment, with random weights.

    Args:
        config: of `read_experiment_config`.
        folder: of the experiment, in which its paths begin.

    Raises:
        UserError: see `build_model`.
    """
    config = dict(config)
    for registry in (audio_encoders, text_encoders):
        name, conf = config[registry.kind], config[f"{registry.kind}_conf"]
        config[f"{registry.kind}_conf"] = in_folder(registry, name, conf, folder)
    return build_model(config)


def in_folder(
    registry: Registry, name: str, conf: Mapping[str, Any], folder: Path
) -> Dict[str, Any]:
    """Settings of an encoder, exported into an experiment, with its paths as they are seen from here.

    Weights that it started from (`checkpoint`) are left out: an experiment has its own.

    Args:
        registry: audio or text encoders.
        name: the encoder.
        conf: its settings in config.yaml.
        folder: of the experiment.

    Returns:
        A copy; folders of caches that are not there are left out.
    """
    conf = dict(conf)
    cls = registry.get(name)
    for key in cls.exported_paths + cls.cache_paths:
        if conf.get(key) is not None:
            path = folder / str(conf[key])
            conf[key] = None if key in cls.cache_paths and not path.is_dir() else str(path)
    if "checkpoint" in conf:
        conf["checkpoint"] = None
    if "encoders" in conf:  # of a fusion
        conf["encoders"] = [
            {
                registry.kind: part[registry.kind],
                f"{registry.kind}_conf": in_folder(
                    registry, part[registry.kind], part.get(f"{registry.kind}_conf") or {}, folder
                ),
            }
            for part in conf["encoders"]
        ]
    return conf


def _of_this_version(config: Dict[str, Any]) -> Dict[str, Any]:
    """A copy of a configuration in which poolings have keys of their own, as they have since version 0.2."""
    config = copy.deepcopy(config)
    for side, key, names in (
        ("audio", "chunk_pooling", {"max": "max_of_segments"}),
        ("text", "pooling", {"cls": "first"}),
    ):
        conf = config[f"{side}_encoder_conf"] = config.get(f"{side}_encoder_conf") or {}
        if key in conf:
            pooling = conf.pop(key)
            config.setdefault(f"{side}_pooling", names.get(pooling, pooling))
    if config.get("model") == "mlclap":
        config["model"] = "two_tower"
    return config
