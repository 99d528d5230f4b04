"""The model of an experiment: built from its config.yaml, with its weights, which must fit."""

import copy
from pathlib import Path
from typing import Any, Dict, Tuple, Union

from espnet_mlclap.checkpoints.state_dict import load_state_dict, load_weights
from espnet_mlclap.models.registry import audio_encoders, build_model, text_encoders
from espnet_mlclap.models.two_tower import TwoTowerModel
from espnet_mlclap.utils.config import read_yaml
from espnet_mlclap.utils.errors import UserError

# Version 0.1 saved the loss's temperature with the model.
_NOT_OF_THE_MODEL = ("loss.temperature",)


def load_experiment(
    config_file: Union[str, Path], model_file: Union[str, Path]
) -> Tuple[TwoTowerModel, Dict[str, Any]]:
    """Build the model that `config.yaml` of an experiment describes and load its weights.

    Args:
        config_file: the experiment's config.yaml; paths in it are relative to its folder.
        model_file: a state dict saved while training.

    Returns:
        The model in evaluation mode, and the configuration.

    Raises:
        UserError: a file is missing or broken, or the weights do not fit the configuration.
    """
    config_file = Path(config_file)
    config = read_yaml(config_file)
    for name in (audio_encoders.kind, text_encoders.kind):
        if not isinstance(config.get(name), str):
            raise UserError(f"{config_file}: {name!r} is missing; give the config.yaml of stage 5.")
    config = _of_this_version(config)
    for registry in (audio_encoders, text_encoders):
        conf = config[f"{registry.kind}_conf"]
        for key in registry.get(config[registry.kind]).exported_paths:
            if conf.get(key) is not None:
                conf[key] = str(config_file.parent / conf[key])
    if "checkpoint" in config["audio_encoder_conf"]:
        config["audio_encoder_conf"]["checkpoint"] = None  # the weights come from model_file
    model = build_model(config)
    states = load_state_dict(model_file)
    for name in _NOT_OF_THE_MODEL:
        states.pop(name, None)
    load_weights(model, states, str(model_file))
    _ = model.text_encoder.tokenizer  # read now: the files of a packed model are temporary
    return model.eval(), config


def _of_this_version(config: Dict[str, Any]) -> Dict[str, Any]:
    """A copy of a configuration in which poolings stand by themselves, as they have since version 0.2."""
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
