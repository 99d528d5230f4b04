"""The model: audio encoder, text encoder, and for each a pooling and a projection (ML-CLAP, Figure 1).

Legend: U distinct clips, B captions, D width of an encoder, E width of the shared space.
"""

from contextlib import AbstractContextManager, nullcontext
from typing import Any, ClassVar, Optional, Tuple

import torch
from torch import Tensor
from torch.nn.functional import normalize

from espnet_mlclap.models.audio_encoder.abs_audio_encoder import AbsAudioEncoder
from espnet_mlclap.models.pooling import AbsPooling
from espnet_mlclap.models.projection import AbsProjection
from espnet_mlclap.models.text_encoder.abs_text_encoder import AbsTextEncoder
from espnet_mlclap.models.tokens import Tokens
from espnet_mlclap.utils.errors import UserError

_AMP_DTYPES = {None: None, "bfloat16": torch.bfloat16}


class TwoTowerModel(torch.nn.Module):
    """Clips and captions to unit vectors of one space. It knows no loss; an objective trains it.

    Args:
        audio_encoder, text_encoder: clips and captions to tokens.
        audio_pooling, text_pooling: tokens to one vector.
        audio_projection, text_projection: that vector to the shared space.
        embed_size: E, the width of the shared space.
        amp_dtype: "bfloat16" computes the towers in it (torch.autocast), in training and afterwards, on
            any device; faster and with less memory on a GPU that has it (NVIDIA Ampere or later).
            Weights, log-mel features and embeddings stay in float32. None for float32 throughout.
        freeze_text_encoder: keep the text encoder as it is: no gradient, no dropout.

    Attributes:
        new_parts: parts that start anew where the weights that a training starts from do not have them.

    Raises:
        UserError: an unknown `amp_dtype`.
    """

    new_parts: ClassVar[Tuple[str, ...]] = ()

    def __init__(
        self,
        *,
        audio_encoder: AbsAudioEncoder,
        text_encoder: AbsTextEncoder,
        audio_pooling: AbsPooling,
        text_pooling: AbsPooling,
        audio_projection: AbsProjection,
        text_projection: AbsProjection,
        embed_size: int = 1024,
        amp_dtype: Optional[str] = None,
        freeze_text_encoder: bool = False,
    ):
        super().__init__()
        if amp_dtype not in _AMP_DTYPES:
            raise UserError(f"model_conf: amp_dtype must be bfloat16 or null, not {amp_dtype!r}")
        self.audio_encoder = audio_encoder
        self.text_encoder = text_encoder
        self.audio_pooling = audio_pooling
        self.text_pooling = text_pooling
        self.audio_projection = audio_projection
        self.text_projection = text_projection
        self.embed_size = embed_size
        self.amp_dtype = _AMP_DTYPES[amp_dtype]
        self.freeze_text_encoder = freeze_text_encoder
        if freeze_text_encoder:
            self.text_encoder.requires_grad_(False)

    def train(self, mode: bool = True) -> "TwoTowerModel":
        super().train(mode)
        if self.freeze_text_encoder:
            self.text_encoder.eval()
        return self

    def _autocast(self, device: torch.device) -> AbstractContextManager[Any]:
        if self.amp_dtype is None:
            return nullcontext()
        return torch.autocast(device.type, dtype=self.amp_dtype)

    def audio_tokens(self, audio: Tensor, audio_lengths: Tensor) -> Tokens:
        """Tokens of clips, for a model of pairs; arguments as `encode_audio`."""
        with self._autocast(audio.device):
            return self.audio_encoder(audio, audio_lengths)

    def text_tokens(self, text: Tensor, text_lengths: Tensor) -> Tokens:
        """Tokens of captions, for a model of pairs; arguments as `encode_text`."""
        with self._autocast(text.device):
            return self.text_encoder(text, text_lengths)

    def encode_audio(self, audio: Tensor, audio_lengths: Tensor) -> Tensor:
        """Embeddings of clips.

        Args:
            audio: [U, samples] float32 at 16 kHz, zero padded, or [U, frames, mel bins] in dB.
            audio_lengths: [U] samples (or frames) of each clip.

        Returns:
            [U, E] float32, L2-normalised.
        """
        return self.embed_audio_tokens(self.audio_tokens(audio, audio_lengths))

    def across_clips(self, audio: Tensor, audio_lengths: Tensor) -> Tuple[Tensor, ...]:
        """What `encode_each_clip` takes: all in which clips of a batch depend on each other is done."""
        with self._autocast(audio.device):
            return self.audio_encoder.across_clips(audio, audio_lengths)

    def encode_each_clip(self, *clips: Tensor) -> Tensor:
        """Embeddings [U, E] of clips from `across_clips`, of all of them or some."""
        with self._autocast(clips[0].device):
            return self.embed_audio_tokens(self.audio_encoder.of_each_clip(*clips))

    def encode_text(self, text: Tensor, text_lengths: Tensor) -> Tensor:
        """Embeddings of captions in any languages.

        Args:
            text: [B, tokens] int64 from `text_encoder.tokenizer`, padded.
            text_lengths: [B] tokens of each caption.

        Returns:
            [B, E] float32, L2-normalised.
        """
        return self.embed_text_tokens(self.text_tokens(text, text_lengths))

    def embed_audio_tokens(self, tokens: Tokens) -> Tensor:
        """Embeddings of clips from their tokens: [U, E] float32, L2-normalised."""
        with self._autocast(tokens.values.device):
            pooled = self.audio_pooling(tokens)
            return normalize(self.audio_projection(pooled).float(), dim=-1)

    def embed_text_tokens(self, tokens: Tokens) -> Tensor:
        """Embeddings of captions from their tokens: [B, E] float32, L2-normalised."""
        return self.project_text(self.pool_text(tokens))

    def pool_text(self, tokens: Tokens) -> Tensor:
        """Vectors of captions from their tokens, before the projection: [B, D] float32."""
        with self._autocast(tokens.values.device):
            return self.text_pooling(tokens).float()

    def project_text(self, pooled: Tensor) -> Tensor:
        """Embeddings of captions from `pool_text`: [B, E] float32, L2-normalised."""
        with self._autocast(pooled.device):
            return normalize(self.text_projection(pooled).float(), dim=-1)
