"""SONAR's text encoder as a model of transformers: an M2M100Encoder with NLLB's tokenizer.

Both give the same sentence embeddings (mean over tokens). What differs are names and the first four rows of
the embedding: fairseq2 numbers pad, unk, bos, eos; transformers bos, pad, eos, unk.
"""

import re
import tempfile
from pathlib import Path
from typing import Any, Dict, Union

import torch
from torch import Tensor

from espnet_mlclap.models.text_encoder.sonar import SonarTextEncoder
from espnet_mlclap.utils.errors import UserError

_NAMES = {
    r"^encoder_frontend\.embed\.": "embed_tokens.",
    r"^encoder\.": "",
    r"\.self_attn\.output_proj\.": ".self_attn.out_proj.",
    r"\.ffn_layer_norm\.": ".final_layer_norm.",
    r"\.ffn\.inner_proj\.": ".fc1.",
    r"\.ffn\.output_proj\.": ".fc2.",
}
_SPECIAL_TOKENS = [2, 0, 3, 1]  # rows of (pad, unk, bos, eos) as (bos, pad, eos, unk)
_PAD = 1  # of NLLB's tokenizer; in both, positions are counted from the next number


def convert(encoder: SonarTextEncoder) -> Any:
    """A `transformers` M2M100Encoder with the weights of a SONAR text encoder.

    Raises:
        UserError: an architecture that M2M100 does not have.
    """
    from transformers import M2M100Config
    from transformers.models.m2m_100.modeling_m2m_100 import M2M100Encoder

    architecture = encoder.architecture
    needed = {
        "activation_fn": "ReLU",
        "no_token_positional_embeddings": False,
        "learned_pos": False,
    }
    for name, value in needed.items():
        if (own := getattr(architecture, name)) != value:
            raise UserError(f"M2M100 has no SONAR encoder whose {name} is {own!r}")
    vocabulary = architecture.vocab_info
    if vocabulary.pad_idx != _PAD:
        raise UserError(
            "only encoders with the padding index of the published SONAR (1) can become an M2M100; here "
            f"the positions begin elsewhere (pad_idx is {vocabulary.pad_idx})"
        )
    config = M2M100Config(
        vocab_size=vocabulary.size,
        d_model=architecture.model_dim,
        encoder_layers=architecture.num_encoder_layers,
        encoder_attention_heads=architecture.num_encoder_attn_heads,
        encoder_ffn_dim=architecture.ffn_inner_dim,
        encoder_layerdrop=0.0,
        max_position_embeddings=architecture.positions,
        scale_embedding=not architecture.no_scale_embedding,
        dropout=architecture.emb_dropout_p,
        attention_dropout=architecture.attention_dropout_p,
        activation_dropout=architecture.activation_dropout_p,
        architectures=["M2M100Encoder"],
    )
    model = M2M100Encoder(config)
    model.load_state_dict(rename(encoder.model.state_dict()))
    return model.eval()


def rename(states: Dict[str, Tensor]) -> Dict[str, Tensor]:
    """The tensors of a SONAR text encoder under the names, and in the order, of an M2M100Encoder."""
    renamed = {}
    for name, tensor in states.items():
        if name == "encoder_frontend.embed.weight":
            tensor = torch.cat([tensor[_SPECIAL_TOKENS], tensor[len(_SPECIAL_TOKENS) :]])
        for old, new in _NAMES.items():
            name = re.sub(old, new, name)
        renamed[name] = tensor
    return renamed


def export(encoder: SonarTextEncoder, folder: Union[str, Path]) -> None:
    """Write the model and its tokenizer in the form that `from_pretrained` of transformers reads.

    Args:
        encoder: SONAR's text encoder with its weights.
        folder: where config.json, model.safetensors and the tokenizer's files go.

    Raises:
        UserError: an architecture that M2M100 does not have.
    """
    from transformers import AddedToken, NllbTokenizer

    model = convert(encoder)
    langs = encoder.tokenizer.langs
    first = int(encoder.tokenizer("", langs[0])[0])
    # Left to itself the tokenizer puts <mask>, which SONAR does not use, in front of the languages.
    numbers = {
        first + place: AddedToken(token, special=True)
        for place, token in enumerate([*langs, "<mask>"])
    }
    with tempfile.NamedTemporaryFile(suffix=".model") as file:
        file.write(encoder.tokenizer.model_bytes)
        file.flush()
        tokenizer = NllbTokenizer(
            file.name,
            additional_special_tokens=langs,
            added_tokens_decoder=numbers,
            model_max_length=encoder.tokenizer.max_tokens,
            src_lang=langs[0],
        )
        tokenizer.save_pretrained(folder)
    model.save_pretrained(folder)
