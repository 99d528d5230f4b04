"""Loading published CED weights.

Three layouts are read, from `.pt` (read without executing code) or `.safetensors` files:

- CED's own, as on Zenodo: a flat state dict, the keys of `CEDAudioEncoder`;
- the same under the key `model`;
- the Hugging Face hub's `mispeech/ced-*`: keys prefixed by `encoder.` except the tagging head's,
  `init_bn` for `init_bn.1`, no front end.

The front end's window and filter bank are constants that this package computes itself, so a
checkpoint may lack them. Any other missing, unknown or misshapen key is an error.
"""

from pathlib import Path
from typing import Dict, Union

import torch
from torch.nn.functional import interpolate

from espnet_mlclap.checkpoints.state_dict import load_state_dict, load_weights
from espnet_mlclap.utils.errors import UserError

StateDict = Dict[str, torch.Tensor]


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
    state = to_ced_layout(load_state_dict(path, inside="model"))
    own = model.state_dict()
    for key in ("time_pos_embed", "freq_pos_embed"):
        if key in state and state[key].dim() == 4 and state[key].size(1) == own[key].size(1):
            state[key] = fit_positions(state[key], own[key])
    for key, value in own.items():
        if key.startswith("front_end."):
            state.setdefault(key, value)
    try:
        load_weights(model, state, str(path))
    except UserError as error:
        raise UserError(f"{error} Check that the encoder's size is the checkpoint's.") from error


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
