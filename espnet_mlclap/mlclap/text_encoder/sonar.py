"""SONAR's text encoder (Duquenne et al., 2023), from sonar-space, by fairseq2 asset name."""

from dataclasses import asdict
from pathlib import Path
from typing import Any, Dict, Optional, Sequence, Tuple

from torch import Tensor

from espnet_mlclap.mlclap.text_encoder.abs_text_encoder import AbsTextEncoder
from espnet_mlclap.mlclap.text_encoder.sonar_tokenizer import SonarTokenizer
from espnet_mlclap.utils.atomic import atomic_open
from espnet_mlclap.utils.errors import UserError

_TOKENIZER_FILE = "sentencepiece.model"


class SonarTextEncoder(AbsTextEncoder):
    """Transformer encoder with mean pooling over the tokens; one pass for captions of any languages.

    The published model (`text_sonar_basic_encoder`: 24 layers, width 1024, 202 languages) and the small
    ones that ship with this project (`sonar_mini_encoder`) load through the same path. Token id 1 is
    `<unk>` and, in the published configuration, also the model's padding index: its row gets no gradient.

    Args:
        model: name of a fairseq2 asset card; gives architecture, tokenizer and, with `init:
            pretrained`, weights.
        init: "pretrained" or "scratch" (random weights of the same architecture).
        dropout: probability for embeddings, attention and feed-forward while training; the card's
            where it is None.
        architecture: fields of `SonarTextEncoderConfig`, in place of `model` (what `export` gives).
        tokenizer_model: sentencepiece file that goes with `architecture`.
        langs: languages that go with `architecture`.

    Raises:
        UserError: an unknown asset, weights that are not here, or arguments that do not go together.
    """

    exported_paths = ("tokenizer_model",)

    def __init__(
        self,
        *,
        model: Optional[str] = None,
        init: str = "pretrained",
        dropout: Optional[float] = None,
        architecture: Optional[Dict[str, Any]] = None,
        tokenizer_model: Optional[str] = None,
        langs: Optional[Sequence[str]] = None,
    ):
        super().__init__()
        if init not in ("pretrained", "scratch"):
            raise UserError(f"text_encoder_conf: init must be pretrained or scratch, not {init!r}")
        if (model is None) == (architecture is None):
            raise UserError(
                "text_encoder_conf: give either `model` (an asset name) or `architecture`"
            )
        if architecture is not None:
            if tokenizer_model is None or langs is None:
                raise UserError(
                    "text_encoder_conf: `architecture` needs `tokenizer_model` and `langs` beside it"
                )
            init = "scratch"
        else:
            architecture, tokenizer_model, langs = _read_card(str(model))
        if dropout is not None:
            for name in ("emb_dropout_p", "attention_dropout_p", "activation_dropout_p"):
                architecture[name] = dropout
        self.architecture = architecture
        self.model = _build(architecture)
        if init == "pretrained":
            self.model.load_state_dict(_pretrained_weights(str(model)))
        positions = architecture["max_seq_len"]
        if architecture.get("_from_fairseq"):  # as SONAR's factory reckons
            positions += architecture["vocab_info"]["pad_idx"] + 1
        self.tokenizer = SonarTokenizer(
            model=str(tokenizer_model), langs=list(langs), max_tokens=positions
        )

    def output_size(self) -> int:
        return self.architecture.get("embedding_dim") or self.architecture["model_dim"]

    def forward(self, text: Tensor, text_lengths: Tensor) -> Tensor:
        from fairseq2.nn import BatchLayout

        # text: [captions, tokens] -> [captions, D]
        layout = BatchLayout.of(text, seq_lens=text_lengths.tolist())
        return self.model(text, layout).sentence_embeddings

    def export(self, folder: Path) -> Dict[str, Any]:
        name = Path("text_encoder", _TOKENIZER_FILE)
        with atomic_open(Path(folder) / name, "wb") as file:
            file.write(self.tokenizer.model_bytes)
        return {
            "architecture": self.architecture,
            "tokenizer_model": str(name),
            "langs": self.tokenizer.langs,
        }


def _build(architecture: Dict[str, Any]):
    from fairseq2.data.tokenizers import VocabularyInfo
    from sonar.models.sonar_text import SonarTextEncoderConfig, SonarTextEncoderFactory

    fields = dict(architecture)
    try:
        fields["vocab_info"] = VocabularyInfo(**fields["vocab_info"])
        config = SonarTextEncoderConfig(**fields)
    except (KeyError, TypeError) as error:
        raise UserError(f"text_encoder_conf: architecture: {error}") from error
    return SonarTextEncoderFactory(config).create_model()


def _read_card(name: str) -> Tuple[Dict[str, Any], str, Sequence[str]]:
    """Architecture, tokenizer file and languages of an asset card."""
    from fairseq2.assets import AssetNotFoundError, get_asset_download_manager, get_asset_store
    from fairseq2.models import ModelNotKnownError
    from sonar.models.sonar_text import get_sonar_text_encoder_hub

    try:
        config = get_sonar_text_encoder_hub().get_model_config(name)
        card = get_asset_store().retrieve_card(name)
    except (AssetNotFoundError, ModelNotKnownError) as error:
        raise UserError(
            f"text_encoder_conf: model: no fairseq2 asset is called {name!r}. Known are "
            "text_sonar_basic_encoder, sonar_mini_encoder and the cards in FAIRSEQ2_USER_ASSET_DIR."
        ) from error
    tokenizer = get_asset_download_manager().download_model(card.field("tokenizer").as_uri(), name)
    langs = card.field("tokenizer_config").as_(dict)["_set_"]["langs"]
    return asdict(config), str(tokenizer), list(langs)


def _pretrained_weights(name: str) -> Dict[str, Tensor]:
    from sonar.models.sonar_text import get_sonar_text_encoder_hub

    return get_sonar_text_encoder_hub().load_model(name).state_dict()
