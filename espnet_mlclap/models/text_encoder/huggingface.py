"""Text encoders of transformers: BERT, RoBERTa, XLM-R and similar models, and the M2M100 port of SONAR."""

import inspect
from pathlib import Path
from typing import Any, Dict, Optional

import torch
from torch import Tensor

from espnet_mlclap.checkpoints.state_dict import check_state_dict
from espnet_mlclap.models.hub_model import check_init, loading, write_into
from espnet_mlclap.models.text_encoder.abs_text_encoder import AbsTextEncoder
from espnet_mlclap.models.text_encoder.huggingface_tokenizer import HuggingfaceTokenizer
from espnet_mlclap.models.tokens import Tokens, length_mask
from espnet_mlclap.utils.errors import UserError

_WHERE = "text_encoder_conf"
_FOLDER = "text_encoder"
# What models of transformers call their dropouts.
_DROPOUTS = (
    "dropout",
    "attention_dropout",
    "activation_dropout",
    "dropout_rate",
    "hidden_dropout_prob",
    "attention_probs_dropout_prob",
)


class HuggingfaceTextEncoder(AbsTextEncoder):
    """Any encoder of transformers, or the encoder of a sequence-to-sequence model.

    Nothing is fetched from the network and no code of a model's own is run. SONAR as a model of transformers
    (M2M100Encoder; `espnet_mlclap.models.text_encoder.sonar_to_huggingface` converts sonar-space's)
    gives the same embeddings as `SonarTextEncoder`.

    Args:
        model: a folder with config.json, weights and tokenizer, or a name on the Hugging Face hub.
        init: "pretrained" or "scratch" (random weights of the same architecture).
        dropout: probability of every dropout while training; the model's own where it is None.
        max_tokens: longest caption; by default as long as the model has positions.
        download: whether the model may be fetched from the hub.

    Raises:
        UserError: transformers or the model is missing, or an argument is not one of those allowed.
    """

    exported_paths = ("model",)

    def __init__(
        self,
        *,
        model: str,
        init: str = "pretrained",
        dropout: Optional[float] = None,
        max_tokens: Optional[int] = None,
        download: bool = False,
    ):
        super().__init__()
        check_init(init, _WHERE)
        try:
            from transformers import AutoConfig, AutoTokenizer
        except ImportError as error:
            raise UserError(
                "text_encoder huggingface needs transformers: pip install 'espnet_mlclap[huggingface]'"
            ) from error
        source = {"local_files_only": not download, "trust_remote_code": False}
        with loading(model, _WHERE, download):
            config = AutoConfig.from_pretrained(model, **source)
            tokenizer = AutoTokenizer.from_pretrained(model, **source)
            for name in _DROPOUTS if dropout is not None else ():
                if hasattr(config, name):
                    setattr(config, name, dropout)
            self.model = _build(model if init == "pretrained" else None, config, source)
        if init == "pretrained":
            check_state_dict(self.model.state_dict(), f"{_WHERE}: model {model}")
        positions = _positions(self.model, tokenizer.model_max_length)
        if max_tokens is not None and not 3 <= max_tokens <= positions:
            raise UserError(f"{_WHERE}: max_tokens must be 3 to {positions}, not {max_tokens}")
        self.tokenizer = HuggingfaceTokenizer(tokenizer, max_tokens=max_tokens or positions)
        embeddings = self.model.get_input_embeddings().num_embeddings
        if len(tokenizer) > embeddings:
            raise UserError(
                f"{_WHERE}: model {model}: its tokenizer has {len(tokenizer)} tokens, but the model "
                f"{embeddings} embeddings. They do not belong together."
            )

    @property
    def embedding(self) -> torch.nn.Embedding:
        return self.model.get_input_embeddings()

    def output_size(self) -> int:
        return self.model.config.hidden_size

    def forward(self, text: Tensor, text_lengths: Tensor) -> Tokens:
        # text: [captions, tokens] -> [captions, tokens, D]
        mask = length_mask(text_lengths.to(text.device), text.shape[1])
        states = self.model(input_ids=text, attention_mask=mask.long()).last_hidden_state
        return Tokens(states, mask)

    def export(self, folder: Path) -> Dict[str, Any]:
        write_into(Path(folder, _FOLDER), self.model.config.save_pretrained, self.tokenizer.save)
        return {
            "model": _FOLDER,
            "init": "scratch",
            "max_tokens": self.tokenizer.max_tokens,
        }


def _build(weights: Optional[str], config: Any, source: Dict[str, Any]) -> torch.nn.Module:
    """The encoder with the weights found at `weights`, or random ones."""
    from transformers import MODEL_MAPPING
    from transformers.models.m2m_100.modeling_m2m_100 import M2M100Encoder

    # transformers does not find the encoder alone by itself
    alone = config.architectures == ["M2M100Encoder"]
    cls = M2M100Encoder if alone else MODEL_MAPPING[type(config)]
    # A pooler would be parameters without gradients.
    has_pooler = "add_pooling_layer" in inspect.signature(cls.__init__).parameters
    options = {"add_pooling_layer": False} if has_pooler else {}
    if weights is None:
        model = cls(config, **options)
    else:
        model, found = cls.from_pretrained(
            weights, config=config, output_loading_info=True, **source, **options
        )
        if found["missing_keys"]:
            raise ValueError(
                f"it has no weights for {', '.join(sorted(found['missing_keys'])[:5])}"
            )
    if config.is_encoder_decoder and not alone:
        model = model.get_encoder()
    return model


def _positions(model: torch.nn.Module, tokenizer_limit: int) -> int:
    """Tokens of the longest caption that the model has positions for."""
    limits = [int(tokenizer_limit), getattr(model.config, "max_position_embeddings", None)]
    table = getattr(getattr(model, "embeddings", None), "position_embeddings", None)
    if isinstance(table, torch.nn.Embedding):
        used = (
            0 if table.padding_idx is None else table.padding_idx + 1
        )  # RoBERTa counts from there
        limits.append(table.num_embeddings - used)
    return min(limit for limit in limits if limit is not None)
