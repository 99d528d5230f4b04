"""LAION's CLAP checkpoints in the form of transformers (`laion/clap-htsat-unfused`) under our names.

Wu et al., "Large-scale Contrastive Language-Audio Pretraining with Feature Fusion and Keyword-to-Caption
Augmentation", ICASSP 2023: HTSAT and RoBERTa, each with a projection of two layers.
"""

import json
import pickle
from pathlib import Path
from typing import Any, Dict, Mapping, NamedTuple, Union

from torch import Tensor

from espnet_mlclap.checkpoints.state_dict import check_state_dict
from espnet_mlclap.utils.errors import UserError

# Longest first, since the pooler is a part of the text model there.
_PREFIXES = (
    ("text_model.pooler.dense.", "text_pooling.dense."),
    ("text_model.", "text_encoder.model."),
    ("audio_model.", "audio_encoder.model."),
    ("text_projection.linear1.", "text_projection.0."),
    ("text_projection.linear2.", "text_projection.2."),
    ("audio_projection.linear1.", "audio_projection.0."),
    ("audio_projection.linear2.", "audio_projection.2."),
)
_LEFT_OUT = (
    "logit_scale_a",  # temperatures
    "logit_scale_t",
    "text_model.embeddings.position_ids",  # numbers from 0 on, and zeros
    "text_model.embeddings.token_type_ids",
)
# What a RoBERTa of transformers has in common with CLAP's text model.
_TEXT_KEYS = (
    "vocab_size",
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "intermediate_size",
    "hidden_act",
    "hidden_dropout_prob",
    "attention_probs_dropout_prob",
    "max_position_embeddings",
    "type_vocab_size",
    "layer_norm_eps",
    "pad_token_id",
    "bos_token_id",
    "eos_token_id",
)


class ClapCheckpoint(NamedTuple):
    """What a checkpoint holds.

    Attributes:
        states: its tensors under our names.
        text_config: settings of a RoBERTa that computes what its text model does.
        embed_size: width of the shared space.
    """

    states: Dict[str, Tensor]
    text_config: Dict[str, Any]
    embed_size: int


def is_clap(checkpoint: Union[str, Path]) -> bool:
    """Is it a CLAP of transformers: a folder with its config.json, or a name of the form `owner/name`?"""
    path = Path(checkpoint)
    config = path / "config.json"
    if config.is_file():
        try:
            return json.loads(config.read_text(encoding="utf-8")).get("model_type") == "clap"
        except (ValueError, AttributeError):
            return False
    return not path.exists() and str(checkpoint).count("/") == 1 and not path.suffix


def read_clap(checkpoint: str) -> ClapCheckpoint:
    """Read a checkpoint that is on this machine.

    Args:
        checkpoint: a folder, or a name whose files are in the cache of the Hugging Face hub.

    Raises:
        UserError: transformers or the checkpoint is missing, or it has parts that we do not have.
    """
    try:
        from transformers import ClapModel
    except ImportError as error:
        raise UserError(
            "CLAP checkpoints need transformers: pip install 'espnet_mlclap[huggingface]'"
        ) from error
    try:
        model = ClapModel.from_pretrained(checkpoint, local_files_only=True)
    except (OSError, ValueError, RuntimeError, KeyError, pickle.UnpicklingError) as error:
        raise UserError(
            f"{checkpoint}: cannot be loaded ({str(error).splitlines()[0]}). Fetch it first: hf download "
            f"{checkpoint}"
        ) from error
    check_state_dict(model.state_dict(), str(checkpoint))
    config = model.config
    for part in (config.text_config, config.audio_config):
        if part.projection_hidden_act != "relu":
            raise UserError(
                f"{checkpoint}: its projections have {part.projection_hidden_act} between their layers; ours "
                "have relu."
            )
    text = {key: getattr(config.text_config, key) for key in _TEXT_KEYS}
    return ClapCheckpoint(to_our_names(model.state_dict()), text, config.projection_dim)


def to_our_names(states: Mapping[str, Tensor]) -> Dict[str, Tensor]:
    """Tensors of a `ClapModel` as a two-tower model names them, without its temperatures.

    Raises:
        UserError: a tensor that has no place.
    """
    found = {}
    for key, tensor in states.items():
        if key in _LEFT_OUT:
            continue
        for theirs, ours in _PREFIXES:
            if key.startswith(theirs):
                found[ours + key[len(theirs) :]] = tensor.contiguous()
                break
        else:
            raise UserError(f"the CLAP checkpoint has a tensor without a place here: {key}.")
    return found
