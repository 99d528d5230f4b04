"""What tells two models apart: their content, wherever and in whichever form they are stored."""

import hashlib
import json

import torch

from espnet_mlclap.models.frozen.encoder import FrozenEncoder

# What changes the outcome and is seen in no weight. Other attributes may come and go from version to version
# of this package, and libraries of recordings, which are named by the fingerprint, must not be lost for it.
_SETTINGS = ("num_heads", "heads", "chunk_frames", "mode")


def fingerprint(model: torch.nn.Module) -> str:
    """A name of what a model computes: 32 hexadecimal digits.

    It is made from the weights, the classes of the model's parts, settings that no weight shows, and what
    frozen encoders say of themselves; not from paths. An experiment that was moved, copied or packed keeps
    it, another checkpoint of the same training has another one.
    """
    digest = hashlib.blake2b(digest_size=16)
    parts = {name: type(part).__name__ for name, part in sorted(model.named_children())}
    about: list = [parts]
    for name, module in model.named_modules():
        known = vars(module)
        about += [
            [name, key, known[key]]
            for key in _SETTINGS
            if isinstance(known.get(key), (int, float, str))
        ]
        about += [
            [name, value.describe()] for value in known.values() if isinstance(value, FrozenEncoder)
        ]
    digest.update(json.dumps(about, sort_keys=True, default=str).encode())
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {list(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    return digest.hexdigest()
