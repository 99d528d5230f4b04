"""SONAR's text encoder (Duquenne et al., 2023): from a fairseq2 asset, or from what an experiment holds."""

from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any, Dict, Mapping, Optional, Sequence

import torch
from torch import Tensor

from espnet_mlclap.checkpoints.sonar_architecture import read_architecture
from espnet_mlclap.checkpoints.sonar_assets import TEXT_ENCODER, load_sonar_model, read_asset
from espnet_mlclap.models.text_encoder.abs_text_encoder import AbsTextEncoder
from espnet_mlclap.models.text_encoder.sonar_tokenizer import SonarTokenizer
from espnet_mlclap.models.text_encoder.sonar_transformer import SonarTransformer
from espnet_mlclap.models.tokens import Tokens
from espnet_mlclap.utils.atomic import atomic_open
from espnet_mlclap.utils.errors import UserError
from espnet_mlclap.utils.languages import SONAR_LANGUAGES

_TOKENIZER_FILE = "sentencepiece.model"


class SonarTextEncoder(AbsTextEncoder):
    """Transformer encoder, one pass for captions of any languages. SONAR pools its tokens by their mean.

    The published model (`text_sonar_basic_encoder`: 24 layers, width 1024, 202 languages) and the
    small one of the mini recipe (`sonar_mini_encoder`) load through the same path. Token id 1 is `<unk>`
    and, in the published configuration, also the model's padding index: its row gets no gradient.

    With `model` sonar-space reads card and weights; with `architecture` nothing of it is needed.

    Args:
        model: name of a fairseq2 asset card; gives architecture, tokenizer and, with `init:
            pretrained`, weights.
        init: "pretrained" or "scratch" (random weights of the same architecture).
        dropout: probability for embeddings, attention and feed-forward while training; the
            architecture's where it is None.
        architecture: fields of `SonarArchitecture`, instead of `model` (what `export` gives).
        tokenizer_model: sentencepiece file that goes with `architecture`.
        langs: languages that go with `architecture`; all of SONAR's where it is None.

    Raises:
        UserError: sonar-space is missing where it is needed, an unknown asset, weights that are not here, a
            key of `architecture` that is not as it should be, or arguments that do not go together.
    """

    exported_paths = ("tokenizer_model",)

    def __init__(
        self,
        *,
        model: Optional[str] = None,
        init: str = "pretrained",
        dropout: Optional[float] = None,
        architecture: Optional[Mapping[str, Any]] = None,
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
                raise UserError("text_encoder_conf: `architecture` needs `tokenizer_model` as well")
            asset, langs = None, langs or SONAR_LANGUAGES
            own = read_architecture(architecture)
        else:
            asset = read_asset(str(model))
            if asset.family != TEXT_ENCODER:
                raise UserError(
                    f"text_encoder_conf: model: {model} is a {asset.family}, not an encoder"
                )
            own, langs = read_architecture(asdict(asset.config)), asset.langs
        self.architecture = own if dropout is None else own.with_dropout(dropout)
        self.langs = list(langs)
        self.model = SonarTransformer(self.architecture)
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
        return SonarTokenizer(
            model=str(model), langs=self.langs, max_tokens=self.architecture.positions
        )

    @property
    def embedding(self) -> torch.nn.Embedding:
        return self.model.encoder_frontend.embed

    def output_size(self) -> int:
        return self.architecture.model_dim

    def forward(self, text: Tensor, text_lengths: Tensor) -> Tokens:
        # text: [captions, tokens] -> [captions, tokens, D]
        return self.model(text, text_lengths)

    def export(self, folder: Path) -> Dict[str, Any]:
        name = Path("text_encoder", _TOKENIZER_FILE)
        with atomic_open(Path(folder) / name, "wb") as file:
            file.write(self.tokenizer.model_bytes)
        return {
            "architecture": asdict(self.architecture),
            "tokenizer_model": str(name),
            "langs": self.langs,
        }
