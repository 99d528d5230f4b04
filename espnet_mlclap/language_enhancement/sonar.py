"""Translation with SONAR: text encoder and text decoder, loaded by fairseq2 asset name.

Duquenne et al., "SONAR: sentence-level multimodal and language-agnostic representations", 2023. The
ML-CLAP paper makes its training captions in other languages this way (section 2).
"""

import copy
import os
from dataclasses import dataclass
from typing import Any, Dict, List, Sequence

from espnet_mlclap.checkpoints.sonar_assets import read_asset
from espnet_mlclap.language_enhancement.abs_translator import AbsTranslator
from espnet_mlclap.language_enhancement.sonar_encoder import (
    SonarEncoder,
    load_asset,
    token_encoder,
)
from espnet_mlclap.utils.errors import UserError


@dataclass(frozen=True)
class SonarConfig:
    """Settings of the SONAR translator.

    Attributes:
        encoder: fairseq2 asset name of the text encoder.
        decoder: fairseq2 asset name of the text decoder.
        beam_size: candidates kept at each step; 1 is greedy search.
        max_tokens: longest translation in tokens.
        batch_size: most sentences in a batch.
        batch_tokens: most source tokens in a batch, padding counted.
        dtype: float32, float16, bfloat16 or float64.
        near_tie: with float32, a sentence in whose search two candidates were closer than this
            (difference in log-probability) is searched again in double precision, so that the batch
            does not decide; 0 is off. The copies of the models in double precision, made when first
            needed, take twice the memory of the models.
    """

    encoder: str
    decoder: str
    beam_size: int
    max_tokens: int
    batch_size: int
    batch_tokens: int
    dtype: str
    near_tie: float

    def __post_init__(self) -> None:
        for name in ("beam_size", "max_tokens", "batch_size", "batch_tokens"):
            if getattr(self, name) < 1:
                raise UserError(f"sonar.{name} must be 1 or more, not {getattr(self, name)}")
        if self.dtype not in ("float32", "float16", "bfloat16", "float64"):
            raise UserError(
                f"sonar.dtype must be float32, float16, bfloat16 or float64, not {self.dtype!r}"
            )
        if self.near_tie < 0:
            raise UserError(f"sonar.near_tie must be 0 or more, not {self.near_tie}")


def sonar_identity(config: SonarConfig) -> Dict[str, object]:
    """What decides the output of a `SonarTranslator` (see `AbsTranslator.identity`).

    Raises:
        UserError: an unknown asset, or weights that are not on this machine.
    """
    names = ("encoder", "decoder", "beam_size", "max_tokens", "dtype", "near_tie")
    identity: Dict[str, object] = {name: getattr(config, name) for name in names}
    for name in (config.encoder, config.decoder):
        # a small model of one's own may be trained anew under the same name
        status = os.stat(read_asset(name).checkpoint)
        identity[f"checkpoint {name}"] = [status.st_size, status.st_mtime_ns]
    return {"translator": "sonar", **identity}


class SonarTranslator(AbsTranslator):
    """SONAR's encoder and decoder as a translator.

    In float32 and float64 a sentence's translation depends on that sentence alone, not on the batch
    (see `beam_search`); in half precision a near tie may fall either way.

    Args:
        config: see `SonarConfig`.
        device: "cpu", "cuda", "cuda:1" ...

    Attributes:
        encoder: the encoder, which also gives embeddings.

    Raises:
        UserError: an unknown asset, or a device that is not there.
    """

    def __init__(self, config: SonarConfig, device: str = "cpu"):
        self.config = config
        self.encoder = SonarEncoder(
            config.encoder,
            device=device,
            dtype=config.dtype,
            batch_size=config.batch_size,
            batch_tokens=config.batch_tokens,
        )
        decoder, self._decoder_tokenizer = load_asset(config.decoder, device, config.dtype)
        self._models = (self.encoder.model, decoder)
        self._double_models: Any = None

    def identity(self) -> Dict[str, object]:
        return sonar_identity(self.config)

    def translate(self, sentences: Sequence[str], source_lang: str, target_lang: str) -> List[str]:
        tokens = self.encoder.tokenize(sentences, source_lang)
        name, tokenizer = self.config.decoder, self._decoder_tokenizer
        prompt = token_encoder(tokenizer, target_lang, "target", name).prefix_indices.tolist()
        translations, margins = self._search(self._models, tokens, prompt)
        close = [i for i, margin in enumerate(margins) if margin < self.config.near_tie]
        if close and self.config.dtype == "float32":
            if self._double_models is None:
                self._double_models = [copy.deepcopy(model).double() for model in self._models]
            again, _ = self._search(self._double_models, [tokens[i] for i in close], prompt)
            for i, translation in zip(close, again):
                translations[i] = translation
        return translations

    def _search(self, models: Sequence[Any], tokens: Sequence[Any], prompt: List[int]):
        import torch

        from espnet_mlclap.language_enhancement.beam_search import beam_search

        encoder, decoder = models
        vocabulary = self._decoder_tokenizer.vocab_info
        to_text = self._decoder_tokenizer.create_decoder(skip_special_tokens=True)
        translations = [""] * len(tokens)
        margins = [0.0] * len(tokens)
        for batch in self.encoder.batches(tokens):
            with torch.inference_mode():
                embeddings = self.encoder.encode([tokens[i] for i in batch], encoder)
            hypotheses = beam_search(
                decoder,
                embeddings,
                prompt,
                eos=vocabulary.eos_idx,
                pad=vocabulary.pad_idx,
                beam_size=self.config.beam_size,
                max_tokens=self.config.max_tokens,
            )
            for i, hypothesis in zip(batch, hypotheses):
                translations[i] = str(
                    to_text(torch.tensor(hypothesis.tokens, dtype=torch.int64))
                ).strip()
                margins[i] = hypothesis.margin
        return translations, margins
