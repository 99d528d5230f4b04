"""Checkpoints released with the ML-CLAP paper (arXiv:2406.07012) as experiments of our own.

The authors' files are flat state dicts of their model (zyyan4/ml-clap, infer.py): a CED under
`audio_encoder.model.`, SONAR's text encoder under `text_encoder.model.`, the projections `audio_proj.`
and `text_proj.`, and `temperature`. All sizes are read from the tensors' shapes. What shapes cannot tell,
numbers of attention heads above all, is that of the published CED and SONAR, or must be given.

Names inside the text encoder are fairseq2's. The versions 0.1.1, 0.2.1 (in which the released models were
trained) and 0.8.1 agree on them; the older ones of fairseq, in which SONAR itself was published, are
translated, its other order of the special tokens too. An unknown name is an error.
"""

import re
from dataclasses import asdict, replace
from typing import Any, Dict, Mapping, Optional, Sequence

import torch
from torch import Tensor

from espnet_mlclap.checkpoints.ced_sizes import SIZES
from espnet_mlclap.checkpoints.sonar_architecture import PUBLISHED_SONAR
from espnet_mlclap.utils.errors import UserError

_TEXT = "text_encoder.model."
#: The temperature, which belongs to the loss and not to the model.
TEMPERATURE = "loss.temperature"
_PARTS = {
    "audio_encoder.model.": "audio_encoder.",
    _TEXT: _TEXT,
    "audio_proj.": "audio_projection.",
    "text_proj.": "text_projection.",
    "temperature": TEMPERATURE,
}
# fairseq's names inside the text encoder -> fairseq2's
_FAIRSEQ_NAMES = {
    r"^(encoder\.)?layers\.(\d+)\.self_attn\.out_proj\.": r"encoder.layers.\2.self_attn.output_proj.",
    r"^(encoder\.)?layers\.(\d+)\.fc1\.": r"encoder.layers.\2.ffn.inner_proj.",
    r"^(encoder\.)?layers\.(\d+)\.fc2\.": r"encoder.layers.\2.ffn.output_proj.",
    r"^(encoder\.)?layers\.(\d+)\.final_layer_norm\.": r"encoder.layers.\2.ffn_layer_norm.",
    r"^layers\.": "encoder.layers.",
    r"^(encoder\.)?embed_tokens\.": "encoder_frontend.embed.",
    r"^encoder\.layer_norm\.": "layer_norm.",
}
_FAIRSEQ_EMBEDDING = re.compile(r"^(encoder\.)?embed_tokens\.weight$")
_FAIRSEQ_SPECIAL_TOKENS = [1, 3, 0, 2]  # rows of (bos, pad, eos, unk) as (pad, unk, bos, eos)
# Constants that a version may have saved; every model computes them itself.
_CONSTANTS = re.compile(
    r"^text_encoder\.model\.(encoder\.)?(version|embed_positions\._float_tensor)$"
    r"|^text_encoder\.model\.encoder_frontend\.pos_encoder\.freqs$"
)
_PUBLISHED_COLUMNS = 63  # time patches of a chunk of 1,012 frames, whose last 4 make no patch


def to_our_names(states: Mapping[str, Tensor]) -> Dict[str, Tensor]:
    """Rename the tensors of a released checkpoint to the names of `TwoTowerModel`, and of `TEMPERATURE`.

    Raises:
        UserError: names that are of no known part, or two tensors for one parameter.
    """
    renamed: Dict[str, Tensor] = {}
    strangers = []
    for name, tensor in states.items():
        if _CONSTANTS.match(name):
            continue
        part = next((part for part in _PARTS if name.startswith(part)), None)
        if part is None:
            strangers.append(name)
            continue
        inner = name[len(part) :]
        if part == _TEXT:
            if _FAIRSEQ_EMBEDDING.match(inner):
                tensor = torch.cat([tensor[_FAIRSEQ_SPECIAL_TOKENS], tensor[4:]])
            for old, new in _FAIRSEQ_NAMES.items():
                inner = re.sub(old, new, inner)
        key = _PARTS[part] + inner
        if key in renamed:
            raise UserError(f"the checkpoint holds {key} twice, the second time as {name}.")
        renamed[key] = tensor
    if strangers:
        raise UserError(
            f"{len(strangers)} tensors belong to no part of an ML-CLAP model: {', '.join(strangers)}. "
            "Is it a released ML-CLAP checkpoint?"
        )
    return renamed


def configuration(
    states: Mapping[str, Tensor],
    *,
    langs: Sequence[str],
    audio_heads: Optional[int],
    text_heads: Optional[int],
    audio_mode: str,
) -> Dict[str, Any]:
    """What config.yaml says of a model with these tensors; the tokenizer's path is left to fill in.

    Args:
        states: tensors by our names.
        langs: languages of the text encoder in the order of their tokens.
        audio_heads, text_heads: attention heads; None for those of the published models.
        audio_mode: of the audio encoder, `reference` or `default`.

    Raises:
        UserError: parts are missing, or the number of heads is not known.
    """
    try:
        embed_size = len(states["audio_projection.2.bias"])
        temperature = float(states[TEMPERATURE])
        audio = _audio_encoder(states, audio_heads)
        text = _text_encoder(states, text_heads)
    except KeyError as error:
        raise UserError(f"the checkpoint has no {error.args[0]}.") from error
    return {
        "audio_encoder": "ced",
        "audio_encoder_conf": {**audio, "mode": audio_mode},
        "text_encoder": "sonar",
        "text_encoder_conf": {
            "architecture": text,
            "tokenizer_model": None,
            "langs": list(langs),
        },
        "loss": "infonce",
        # as it was trained: both are on in the authors' code
        "loss_conf": {
            "temperature": temperature,
            "learnable_temperature": True,
            "embedding_regularisation": 1.0,
        },
        "model": "two_tower",
        "model_conf": {"embed_size": embed_size},
        "text_normalization": "mlclap",
    }


def _audio_encoder(states: Mapping[str, Tensor], heads: Optional[int]) -> Dict[str, Any]:
    width = len(states["audio_encoder.patch_embed.proj.bias"])
    depth = _count(states, "audio_encoder.blocks.")
    columns = states["audio_encoder.time_pos_embed"].shape[3]
    conf: Dict[str, Any] = {}
    size = {shape[:2]: name for name, shape in SIZES.items()}.get((width, depth))
    if size is not None and heads in (None, SIZES[size][2]):
        conf["size"] = size
    elif heads is not None:
        conf.update(embed_dim=width, depth=depth, num_heads=heads)
    else:
        raise _unknown_heads("audio", width)
    if columns != _PUBLISHED_COLUMNS:
        patch = states["audio_encoder.patch_embed.proj.weight"].shape[3]
        conf["chunk_frames"] = columns * patch
    conf["num_classes"] = len(states["audio_encoder.outputlayer.1.bias"])
    return conf


def _text_encoder(states: Mapping[str, Tensor], heads: Optional[int]) -> Dict[str, Any]:
    # the published architecture, with the sizes of these tensors
    vocabulary, width = states[f"{_TEXT}encoder_frontend.embed.weight"].shape
    if heads is None:
        if width != PUBLISHED_SONAR.model_dim:
            raise _unknown_heads("text", width)
        heads = PUBLISHED_SONAR.num_encoder_attn_heads
    layers = _count(states, f"{_TEXT}encoder.layers.")
    return asdict(
        replace(
            PUBLISHED_SONAR,
            vocab_info=replace(PUBLISHED_SONAR.vocab_info, size=vocabulary),
            model_dim=width,
            ffn_inner_dim=len(states[f"{_TEXT}encoder.layers.0.ffn.inner_proj.bias"]),
            num_encoder_layers=layers,
            num_decoder_layers=layers,
            num_encoder_attn_heads=heads,
            num_decoder_attn_heads=heads,
        )
    )


def _count(states: Mapping[str, Tensor], prefix: str) -> int:
    """Number of layers whose tensors' names begin with `prefix` and a number."""
    return len({key[len(prefix) :].split(".")[0] for key in states if key.startswith(prefix)})


def _unknown_heads(part: str, width: int) -> UserError:
    return UserError(
        f"its {part} encoder of width {width} is not one of the published ones, and its tensors do not "
        f"show how many attention heads it has. Give --{part}_heads."
    )
