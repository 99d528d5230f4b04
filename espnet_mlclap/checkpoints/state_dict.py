"""Weights from files: checked for what they are, and against what a model needs."""

import logging
from pathlib import Path
from typing import Any, Collection, Dict, Mapping, Sequence, Tuple, Union

import torch
from torch import Tensor

from espnet_mlclap.checkpoints.tensor_file import read_tensors
from espnet_mlclap.utils.errors import UserError

_SHOWN = 5  # keys named in an error
#: What a loss has learnt (a temperature) is saved beside the weights of the model, under names that begin so.
LEARNT = "loss."


def load_state_dict(path: Union[str, Path], *, inside: str = "") -> Dict[str, Tensor]:
    """Read a file of weights without executing any code in it.

    Args:
        path: see `read_tensors`.
        inside: the key that the weights may be under, with other things next to them.

    Raises:
        UserError: missing, broken, or not a plain state dict of finite numbers.
    """
    states = read_tensors(path)
    if inside and isinstance(states, Mapping) and isinstance(states.get(inside), Mapping):
        states = states[inside]
    check_state_dict(states, str(path))
    return dict(states)


def check_state_dict(states: Any, where: str) -> None:
    """Make sure that `states` are dense tensors by name, all of them finite.

    Raises:
        UserError: otherwise; names what is not.
    """
    if not isinstance(states, Mapping) or not states:
        raise UserError(f"{where}: no state dict in it (found {type(states).__name__}).")
    strangers = [str(key) for key in states if not isinstance(key, str)]
    if strangers:
        raise UserError(f"{where}: not a state dict; these are not names: {_some(strangers)}.")
    strangers = [key for key, value in states.items() if not isinstance(value, Tensor)]
    if strangers:
        raise UserError(f"{where}: not a state dict; these are not tensors: {_some(strangers)}.")
    strangers = [key for key, value in states.items() if value.layout != torch.strided]
    if strangers:
        raise UserError(f"{where}: these are not stored as dense tensors: {_some(strangers)}.")
    strangers = [key for key, value in states.items() if not _finite(value)]
    if strangers:
        raise UserError(
            f"{where}: NaN or infinity in {_some(strangers)}. The training has diverged, or the file is "
            "damaged."
        )


def _finite(tensor: Tensor) -> bool:
    if tensor.is_meta or not tensor.is_floating_point():  # only laid out, without numbers
        return True
    return bool(torch.isfinite(tensor).all())


def load_weights(model: torch.nn.Module, states: Mapping[str, Tensor], where: str) -> None:
    """Load `states` into `model`; every key, shape and kind of number must fit.

    Raises:
        UserError: as `check_weights`.
    """
    check_weights(model, states, where)
    model.load_state_dict(states)


def check_weights(model: torch.nn.Module, states: Mapping[str, Tensor], where: str) -> None:
    """Make sure that `states` are exactly the parameters and buffers of `model`.

    Raises:
        UserError: names the keys that are missing, unknown, of another shape or of another kind of number.
    """
    own = model.state_dict()
    common = [key for key in own if key in states]
    problems = {
        "missing": [key for key in own if key not in states],
        "unknown": [key for key in states if key not in own],
        "of another shape": [
            f"{key} {tuple(states[key].shape)} instead of {tuple(own[key].shape)}"
            for key in common
            if states[key].shape != own[key].shape
        ],
        "of another kind": [
            f"{key} {_dtype(states[key])} instead of {_dtype(own[key])}"
            for key in common
            if _kind(states[key]) != _kind(own[key])
        ],
    }
    found = [f"{len(keys)} {kind}: {_some(keys)}" for kind, keys in problems.items() if keys]
    if found:
        raise UserError(f"{where} does not fit the model. " + "; ".join(found))


def _kind(tensor: Tensor) -> str:
    """What kind of numbers these are; those of one kind may differ in their precision."""
    if tensor.is_complex():
        return "complex"
    return "floating" if tensor.is_floating_point() else "whole"


def _dtype(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def _some(keys: Sequence[str]) -> str:
    return ", ".join(keys[:_SHOWN]) + (" ..." if len(keys) > _SHOWN else "")


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
