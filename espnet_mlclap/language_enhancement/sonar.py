"""Translation with SONAR: text encoder and text decoder, loaded by fairseq2 asset name.

Duquenne et al., "SONAR: sentence-level multimodal and language-agnostic representations", 2023. The
ML-CLAP paper makes its training captions in other languages this way (section 2).
"""

import os
from dataclasses import dataclass
from typing import Dict, List, Sequence

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
    """

    encoder: str
    decoder: str
    beam_size: int
    max_tokens: int
    batch_size: int
    batch_tokens: int
    dtype: str

    def __post_init__(self) -> None:
        for name in ("beam_size", "max_tokens", "batch_size", "batch_tokens"):
            if getattr(self, name) < 1:
                raise UserError(f"{name} must be 1 or more, not {getattr(self, name)}")
        if self.dtype not in ("float32", "float16", "bfloat16", "float64"):
            raise UserError(
                f"dtype must be float32, float16, bfloat16 or float64, not {self.dtype!r}"
            )


class SonarTranslator(AbsTranslator):
    """SONAR's encoder and decoder as a translator, with fairseq2's beam search.

    A sentence's translation depends on that sentence alone: a run that was killed and groups what is left
    into other batches, or another batch size, changes nothing. For that the longest translation does not
    depend on the batch's longest sentence, as it does by default in fairseq2. What remains is rounding: two
    candidates that nearly tie (about 1e-6 in float32, 1e-2 in half precision) may change places with the
    batch. With the small SONAR none of 2,337 captions in seven languages came out otherwise in float32 than
    in float64.

    Args:
        settings: see `SonarConfig`.
        device: "cpu", "cuda", "cuda:1" ...

    Attributes:
        encoder: the encoder, which also gives embeddings.

    Raises:
        UserError: an unknown asset, or a device that is not there.
    """

    settings_class = SonarConfig

    def __init__(self, settings: SonarConfig, device: str = "cpu"):
        from fairseq2.generation.beam_search.generator import BeamSearchSeq2SeqGenerator
        from sonar.models.sonar_translation import SonarEncoderDecoderModel
        from sonar.models.sonar_translation.model import DummyEncoderModel

        self.settings = settings
        self.encoder = SonarEncoder(
            settings.encoder,
            device=device,
            dtype=settings.dtype,
            batch_size=settings.batch_size,
            batch_tokens=settings.batch_tokens,
        )
        decoder, self._tokenizer = load_asset(settings.decoder, device, settings.dtype)
        self._generator = BeamSearchSeq2SeqGenerator(
            SonarEncoderDecoderModel(DummyEncoderModel(), decoder),  # decodes embeddings
            self._tokenizer.vocab_info,
            beam_size=settings.beam_size,
            max_gen_len=(0, settings.max_tokens),
            max_seq_len=decoder.max_target_seq_len,
        )

    @classmethod
    def identity(cls, settings: SonarConfig) -> Dict[str, object]:
        names = ("encoder", "decoder", "beam_size", "max_tokens", "dtype")
        identity: Dict[str, object] = {name: getattr(settings, name) for name in names}
        for name in (settings.encoder, settings.decoder):
            # a small model of your own may be trained again under the same name
            status = os.stat(read_asset(name).checkpoint)
            identity[f"checkpoint {name}"] = [status.st_size, status.st_mtime_ns]
        return {"translator": "sonar", **identity}

    def translate(self, sentences: Sequence[str], source_lang: str, target_lang: str) -> List[str]:
        import torch
        from fairseq2.generation import SequenceGenerationError
        from fairseq2.nn import BatchLayout
        from sonar.inference_pipelines.utils import SequenceToTextConverter

        tokens = self.encoder.tokenize(sentences, source_lang)
        token_encoder(self._tokenizer, target_lang, "target", self.settings.decoder)  # knows it?
        converter = SequenceToTextConverter(
            self._generator, self._tokenizer, "translation", target_lang, skip_special_tokens=True
        )
        translations = [""] * len(tokens)
        for batch in self.encoder.batches(tokens):
            with torch.inference_mode():
                embeddings = self.encoder.encode([tokens[i] for i in batch])
                try:
                    texts, _ = converter.batch_convert(embeddings, BatchLayout.of(embeddings))
                except SequenceGenerationError as error:
                    raise UserError(
                        "the decoder produced NaN: its numbers overflowed. Set sonar: dtype: float32."
                    ) from error
            for i, text in zip(batch, texts):
                translations[i] = str(text).strip()
        return translations
