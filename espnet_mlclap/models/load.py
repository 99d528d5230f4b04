"""Build the model of an experiment and load its weights, checking that they fit."""

import argparse
from pathlib import Path
from typing import Any, Dict, Mapping, Tuple, Union

import torch
from torch import Tensor

from espnet_mlclap.models.choices import build_model, text_encoder_choices
from espnet_mlclap.objectives.espnet_model import ESPnetMLCLAPModel
from espnet_mlclap.utils.config import read_yaml
from espnet_mlclap.utils.errors import UserError

_SHOWN = 5  # keys named in an error


def load_experiment(
    config_file: Union[str, Path], model_file: Union[str, Path]
) -> Tuple[ESPnetMLCLAPModel, Dict[str, Any]]:
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
    missing = [
        name for name in ("audio_encoder", "text_encoder", "loss", "model") if name not in config
    ]
    if missing:
        raise UserError(
            f"{config_file}: {missing[0]!r} is missing; give the config.yaml of stage 5."
        )
    text_encoder = text_encoder_choices.get_class(config["text_encoder"])
    for key in text_encoder.exported_paths:
        path = config["text_encoder_conf"].get(key)
        if path is not None:
            config["text_encoder_conf"][key] = str(config_file.parent / path)
    audio_conf = config.get("audio_encoder_conf") or {}
    if "checkpoint" in audio_conf:
        audio_conf["checkpoint"] = None  # the weights come from model_file
    model = build_model(argparse.Namespace(**config))
    load_weights(model, load_state_dict(model_file), str(model_file))
    _ = model.text_encoder.tokenizer  # read now: the files of a packed model are temporary
    return model.eval(), config


def load_state_dict(path: Union[str, Path]) -> Dict[str, Tensor]:
    """Read a file of tensors without executing any code in it.

    Raises:
        UserError: missing, broken, or not a plain state dict.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(
            f"{path}: no such checkpoint. Finish training (stage 5) or name another one."
        )
    try:
        states = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # noqa: BLE001 - torch raises many kinds for a broken or unsafe file
        raise UserError(
            f"{path}: not a checkpoint of tensors alone, so it is not loaded ({type(error).__name__}: "
            f"{str(error).splitlines()[0]})."
        ) from error
    if not isinstance(states, Mapping) or not all(isinstance(v, Tensor) for v in states.values()):
        raise UserError(f"{path}: not a state dict (a mapping of names to tensors).")
    return dict(states)


def load_weights(model: torch.nn.Module, states: Mapping[str, Tensor], where: str) -> None:
    """Load `states` into `model`; every key and shape must fit.

    Raises:
        UserError: as `check_weights`.
    """
    check_weights(model, states, where)
    model.load_state_dict(states)


def check_weights(model: torch.nn.Module, states: Mapping[str, Tensor], where: str) -> None:
    """Make sure that `states` are exactly the parameters and buffers of `model`.

    Raises:
        UserError: names the keys that are missing, unknown or of another shape.
    """
    own = model.state_dict()
    problems = {
        "missing": [key for key in own if key not in states],
        "unknown": [key for key in states if key not in own],
        "of another shape": [
            f"{key} {tuple(states[key].shape)} instead of {tuple(own[key].shape)}"
            for key in own
            if key in states and states[key].shape != own[key].shape
        ],
    }
    found = [
        f"{len(keys)} {kind}: {', '.join(keys[:_SHOWN])}{' ...' if len(keys) > _SHOWN else ''}"
        for kind, keys in problems.items()
        if keys
    ]
    if found:
        raise UserError(f"{where} does not fit the model. " + "; ".join(found))
