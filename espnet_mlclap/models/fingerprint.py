"""What tells two models apart: their content, wherever and in whichever form they are stored."""

import hashlib
import json

import torch

from espnet_mlclap.models.frozen.encoder import FrozenEncoder


def fingerprint(model: torch.nn.Module) -> str:
    """A name of what a model computes: 32 hexadecimal digits.

    It is made from the weights, the classes of the parts, their numbers (heads, modes) and what frozen
    encoders say of themselves; not from paths. An experiment that was moved, copied or packed keeps it,
    another checkpoint of the same training has another one.
    """
    digest = hashlib.blake2b(digest_size=16)
    for name, module in model.named_modules():
        numbers = {
            key: value
            for key, value in vars(module).items()
            if isinstance(value, (bool, int, float)) and key != "training" and key[0] != "_"
        }
        frozen = [
            value.describe() for value in vars(module).values() if isinstance(value, FrozenEncoder)
        ]
        about = [name, type(module).__qualname__, numbers, frozen]
        digest.update(json.dumps(about, sort_keys=True, default=str).encode())
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {list(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    return digest.hexdigest()
