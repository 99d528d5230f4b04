"""SONAR's text encoder (Duquenne et al., 2023), from sonar-space, by fairseq2 asset name."""

from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any, Dict, Optional, Sequence

from torch import Tensor

from espnet_mlclap.checkpoints.sonar_assets import load_sonar_model, read_asset
from espnet_mlclap.models.text_encoder.abs_text_encoder import AbsTextEncoder
from espnet_mlclap.models.text_encoder.sonar_tokenizer import SonarTokenizer
from espnet_mlclap.utils.atomic import atomic_open
from espnet_mlclap.utils.errors import UserError
from espnet_mlclap.utils.languages import SONAR_LANGUAGES

_TOKENIZER_FILE = "sentencepiece.model"


class SonarTextEncoder(AbsTextEncoder):
    """Transformer encoder with mean pooling over the tokens; one pass for captions of any languages.

    The published model (`text_sonar_basic_encoder`: 24 layers, width 1024, 202 languages) and the
    small one of the mini recipe (`sonar_mini_encoder`) load through the same path. Token id 1 is `<unk>`
    and, in the published configuration, also the model's padding index: its row gets no gradient.

    Args:
        model: name of a fairseq2 asset card; gives architecture, tokenizer and, with `init:
            pretrained`, weights.
        init: "pretrained" or "scratch" (random weights of the same architecture).
        dropout: probability for embeddings, attention and feed-forward while training; the card's
            where it is None.
        architecture: fields of `SonarTextEncoderConfig`, in place of `model` (what `export` gives).
        tokenizer_model: sentencepiece file that goes with `architecture`.
        langs: languages that go with `architecture`; all of SONAR's where it is None.

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
            if tokenizer_model is None:
                raise UserError(
                    "text_encoder_conf: `architecture` needs `tokenizer_model` beside it"
                )
            asset, langs = None, langs or SONAR_LANGUAGES
        else:
            asset = read_asset(str(model))
            architecture, langs = asdict(asset.config), asset.langs
        if dropout is not None:
            for name in ("emb_dropout_p", "attention_dropout_p", "activation_dropout_p"):
                architecture[name] = dropout
        self.architecture = architecture
        self.langs = list(langs)
        self.model = _build(architecture)
        if asset is not None and init == "pretrained":
            self.model.load_state_dict(load_sonar_model(asset).state_dict())
        self._asset = asset
        self._tokenizer_model = tokenizer_model

    @cached_property
    def tokenizer(self) -> SonarTokenizer:
        """Read when it is first needed: the architecture can be built without any file.

        Raises:
            UserError: the sentencepiece model is not on this machine.
        """
        model = self._tokenizer_model if self._asset is None else self._asset.tokenizer
        positions = self.architecture["max_seq_len"]
        if self.architecture.get("_from_fairseq"):  # as SONAR's factory reckons
            positions += self.architecture["vocab_info"]["pad_idx"] + 1
        return SonarTokenizer(model=str(model), langs=self.langs, max_tokens=positions)

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
            "langs": self.langs,
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
