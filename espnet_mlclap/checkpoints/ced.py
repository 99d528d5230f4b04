"""Loading published CED weights.

Three layouts are read, from `.pt` (read without executing code) or `.safetensors` files:

- CED's own, as on Zenodo: a flat state dict, the keys of `CEDAudioEncoder`;
- the same under the key `model`;
- the Hugging Face hub's `mispeech/ced-*`: keys prefixed by `encoder.` except the tagging head's,
  `init_bn` for `init_bn.1`, no front end.

The front end's window and filter bank are constants that this package computes itself, so a
checkpoint may lack them. Any other missing, unknown or misshapen key is an error.
"""

import pickle
from pathlib import Path
from typing import Dict, Union

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch.nn.functional import interpolate

from espnet_mlclap.utils.errors import UserError

StateDict = Dict[str, torch.Tensor]
_SHOWN = 8  # keys named in an error


def read_state_dict(path: Union[str, Path]) -> StateDict:
    """Read a state dict without executing anything that the file may contain.

    Args:
        path: a `.safetensors` file, or any file written by `torch.save`.

    Returns:
        The tensors by name, on the CPU; what is under `model` if the file has that key.

    Raises:
        UserError: the file is missing, damaged, holds more than tensors, or no state dict.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"{path}: no such checkpoint file.")
    try:
        if path.suffix == ".safetensors":
            content = load_file(path)
        else:
            content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise UserError(
            f"{path}: refused, because it is not a plain checkpoint: it holds something other than "
            "tensors (which could run code when loaded), or it is damaged. Get it from its "
            f"publisher again, or save only its state dict.\n{_first_line(error)}"
        ) from error
    except (OSError, RuntimeError, ValueError, EOFError, SafetensorError) as error:
        raise UserError(f"{path}: not a readable checkpoint ({_first_line(error)}).") from error
    if isinstance(content, dict) and isinstance(content.get("model"), dict):
        content = content["model"]
    if not isinstance(content, dict) or not content:
        raise UserError(f"{path}: no state dict in it (found {type(content).__name__}).")
    strangers = [k for k, v in content.items() if not isinstance(v, torch.Tensor)]
    if strangers:
        raise UserError(f"{path}: not a state dict; these are not tensors: {_some(strangers)}.")
    return dict(content)


def to_ced_layout(state: StateDict) -> StateDict:
    """Rename the keys of a Hugging Face `mispeech/ced-*` state dict; others pass unchanged."""
    if not any(key.startswith("encoder.") for key in state):
        return state
    renamed = {}
    for key, value in state.items():
        key = key[len("encoder.") :] if key.startswith("encoder.") else key
        renamed[key.replace("init_bn.", "init_bn.1.", 1) if key.startswith("init_bn.") else key] = (
            value
        )
    return renamed


def fit_positions(position: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """Cut position embeddings to a shorter length, or resample them linearly to a longer one.

    Args:
        position: [1, D, rows, columns] of the checkpoint.
        like: [1, D, rows, columns] of the model.
    """
    rows, columns = like.shape[2:]
    position = position[:, :, :rows, :columns]
    if position.shape[2:] != like.shape[2:]:
        position = interpolate(position, size=(rows, columns), mode="bilinear", align_corners=False)
    return position


def load_ced(model: torch.nn.Module, checkpoint: Union[str, Path]) -> None:
    """Load published weights into a `CEDAudioEncoder`.

    Args:
        model: the encoder, of the checkpoint's size.
        checkpoint: a path, or a name of the weights table such as `ced_base`.

    Raises:
        UserError: the checkpoint is not there, cannot be read or does not fit; the message names the
            keys.
    """
    path = find_checkpoint(checkpoint)
    state = to_ced_layout(read_state_dict(path))
    own = model.state_dict()
    for key in ("time_pos_embed", "freq_pos_embed"):
        if key in state and state[key].dim() == 4 and state[key].size(1) == own[key].size(1):
            state[key] = fit_positions(state[key], own[key])
    for key, value in own.items():
        if key.startswith("front_end."):
            state.setdefault(key, value)
    problems = []
    missing = [key for key in own if key not in state]
    if missing:
        problems.append(f"missing: {_some(missing)}")
    unknown = [key for key in state if key not in own]
    if unknown:
        problems.append(f"unknown: {_some(unknown)}")
    misshapen = [
        f"{key} {list(state[key].shape)} for {list(own[key].shape)}"
        for key in own
        if key in state and state[key].shape != own[key].shape
    ]
    if misshapen:
        problems.append(f"wrong shape: {_some(misshapen)}")
    if problems:
        raise UserError(
            f"{path}: does not fit this CED ({'; '.join(problems)}). Check that the encoder's size "
            "is the checkpoint's."
        )
    model.load_state_dict(state)


def find_checkpoint(checkpoint: Union[str, Path]) -> Path:
    """The file that a path, or a name of the weights table, stands for.

    Raises:
        UserError: no such name, or its file is not on this machine; says how to get it.
    """
    path = Path(checkpoint)
    if path.is_file() or path.suffix:
        return path
    from espnet_mlclap.checkpoints.table import resolve

    return resolve(str(checkpoint))


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).splitlines()), "") or type(error).__name__


def _some(keys: list) -> str:
    shown = ", ".join(keys[:_SHOWN])
    return shown + (f" and {len(keys) - _SHOWN} more" if len(keys) > _SHOWN else "")
