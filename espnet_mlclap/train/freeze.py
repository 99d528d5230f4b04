"""Parts of a model that a training leaves as they are (`--freeze_param`)."""

from operator import attrgetter
from typing import List, Sequence

import torch
from torch.nn import Parameter

from espnet_mlclap.utils.errors import UserError
from espnet_mlclap.utils.registry import did_you_mean


def freeze(model: torch.nn.Module, names: Sequence[str]) -> None:
    """Give some parts of a model, or some of its weights, no gradient.

    Args:
        model: of which they are parts.
        names: with dots, as in a checkpoint (`text_encoder.model.encoder.layers.0`), or of attributes
            (`text_encoder.embedding`: the embedding of tokens of whichever text encoder).

    Raises:
        UserError: the model has no such part, or it has no weights; names the part that was probably meant.
    """
    for name in names:
        for weight in _weights(model, name):
            weight.requires_grad_(False)


def _weights(model: torch.nn.Module, name: str) -> List[Parameter]:
    try:
        part = attrgetter(name)(model)
    except AttributeError:
        part = None
    if isinstance(part, Parameter):
        return [part]
    if not isinstance(part, torch.nn.Module):
        raise UserError(f"freeze_param: the model has no part {name!r}.{_meant(model, name)}")
    weights = list(part.parameters())
    if not weights:
        raise UserError(
            f"freeze_param: {name!r} ({type(part).__name__}) has no weights that could stay as they are."
        )
    return weights


def _meant(model: torch.nn.Module, name: str) -> str:
    """The most similar name of all there are, and the parts of that part which is there."""
    named = [*model.named_modules(), *model.named_parameters()]
    hint = did_you_mean(name, [key for key, _ in named if key])
    owner, at = model, ""
    for one in name.split("."):
        below = dict(owner.named_children())
        if one not in below:
            break
        owner, at = below[one], f"{at}.{one}".lstrip(".")
    children = ", ".join(key for key, _ in owner.named_children())
    return f"{hint} {at or 'It'} has {children or 'no parts'}."
