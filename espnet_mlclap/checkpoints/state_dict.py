"""Files of tensors: read without running anything in them, and checked against what a model needs."""

import logging
from pathlib import Path
from typing import Collection, Dict, Mapping, Tuple, Union

import torch
from torch import Tensor

from espnet_mlclap.utils.errors import UserError

_SHOWN = 5  # keys named in an error
#: What a loss has learnt (a temperature) is saved beside the weights of the model, under names that begin so.
LEARNT = "loss."


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


def without_learnt(states: Mapping[str, Tensor]) -> Tuple[Dict[str, Tensor], Dict[str, Tensor]]:
    """The tensors of the model, and those that a loss has learnt."""
    model = {key: tensor for key, tensor in states.items() if not key.startswith(LEARNT)}
    return model, {key: tensor for key, tensor in states.items() if key not in model}


def initialise(
    model: torch.nn.Module, value: str, new_parts: Collection[str] = ()
) -> Dict[str, Tensor]:
    """Load what ESPnet's option `--init_param` names, whole or in part.

    Args:
        model: what the weights are for.
        new_parts: parts of the model that stay as they are where a file holds nothing of them: what a
            model of pairs adds to the towers that it starts from.
        value: a file, whose tensors must be exactly those of `model`; or `file:source:target:excluded`, as in
            ESPnet: the tensors below `source` for the part `target` of the model (empty: all), but for
            those below the keys in `excluded` (separated by commas; as they are called in the file).

    Returns:
        What a loss has learnt, where the whole of a file was asked for that has it.

    Raises:
        UserError: as `load_state_dict` and `check_weights`; a part that the model or the file does not have.
    """
    where = f"--init_param {value}"
    if ":" not in value or Path(value).exists():
        states, learnt = without_learnt(load_state_dict(value))
        for part in new_parts:
            if not any(key.startswith(f"{part}.") for key in states):
                logging.info(f"{value} holds no {part}, which starts anew")
                own = model.get_submodule(part).state_dict()
                states.update((f"{part}.{key}", tensor) for key, tensor in own.items())
        load_weights(model, states, where)
        return learnt
    path, source, target, excluded, *_ = *value.split(":"), "", "", ""
    part = model
    if target:
        try:
            part = model.get_submodule(target)
        except AttributeError as error:
            raise UserError(f"{where}: the model has no part {target!r}.") from error
    left_out = tuple(f"{key}." for key in excluded.split(",") if key)
    prefix = f"{source}." if source else ""
    states = {
        key[len(prefix) :]: tensor
        for key, tensor in without_learnt(load_state_dict(path))[0].items()
        if key.startswith(prefix) and not f"{key}.".startswith(left_out or ("\0",))
    }
    if not states:
        raise UserError(f"{where}: {path} has no tensors below {source!r}.")
    if excluded:
        states = {**part.state_dict(), **states}
    load_weights(part, states, where)
    return {}
