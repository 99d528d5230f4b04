"""The model: audio encoder, text encoder, two projections, one loss.

Legend: U distinct clips, B captions, D width of an encoder, E width of the shared space.
"""

from contextlib import AbstractContextManager, nullcontext
from typing import Any, Dict, Optional, Tuple

import torch
from espnet2.torch_utils.device_funcs import force_gatherable
from espnet2.train.abs_espnet_model import AbsESPnetModel
from torch import Tensor
from torch.nn.functional import normalize

from espnet_mlclap.models.audio_encoder.abs_audio_encoder import AbsAudioEncoder
from espnet_mlclap.models.projection import Projection
from espnet_mlclap.models.text_encoder.abs_text_encoder import AbsTextEncoder
from espnet_mlclap.objectives.abs_loss import AbsLoss
from espnet_mlclap.utils.errors import UserError

_AMP_DTYPES = {None: None, "bfloat16": torch.bfloat16}


class ESPnetMLCLAPModel(AbsESPnetModel):
    """Two towers and the loss between them (ML-CLAP, Figure 1).

    Args:
        audio_encoder: clips to [U, D].
        text_encoder: captions to [B, D].
        loss: the training objective.
        embed_size: E, the width of the shared space.
        amp_dtype: "bfloat16" computes the towers in it (torch.autocast), in training and afterwards, on
            any device; faster and with less memory on a GPU that has it (NVIDIA Ampere or later).
            Weights, log-mel features, embeddings, similarities and the loss stay in float32. None for
            float32 throughout.
        freeze_text_encoder: keep the text encoder as it is: no gradient, no dropout.

    Raises:
        UserError: an unknown `amp_dtype`.
    """

    def __init__(
        self,
        *,
        audio_encoder: AbsAudioEncoder,
        text_encoder: AbsTextEncoder,
        loss: AbsLoss,
        embed_size: int = 1024,
        amp_dtype: Optional[str] = None,
        freeze_text_encoder: bool = False,
    ):
        super().__init__()
        if amp_dtype not in _AMP_DTYPES:
            raise UserError(f"model_conf: amp_dtype must be bfloat16 or null, not {amp_dtype!r}")
        self.audio_encoder = audio_encoder
        self.text_encoder = text_encoder
        self.audio_projection = Projection(
            input_size=audio_encoder.output_size(), output_size=embed_size
        )
        self.text_projection = Projection(
            input_size=text_encoder.output_size(), output_size=embed_size
        )
        self.loss = loss
        self.embed_size = embed_size
        self.amp_dtype = _AMP_DTYPES[amp_dtype]
        self.freeze_text_encoder = freeze_text_encoder
        if freeze_text_encoder:
            self.text_encoder.requires_grad_(False)

    def train(self, mode: bool = True) -> "ESPnetMLCLAPModel":
        super().train(mode)
        if self.freeze_text_encoder:
            self.text_encoder.eval()
        return self

    def _autocast(self, device: torch.device) -> AbstractContextManager[Any]:
        if self.amp_dtype is None:
            return nullcontext()
        return torch.autocast(device.type, dtype=self.amp_dtype)

    def encode_audio(self, audio: Tensor, audio_lengths: Tensor) -> Tensor:
        """Embeddings of clips.

        Args:
            audio: [U, samples] float32 at 16 kHz, zero padded, or [U, frames, mel bins] in dB.
            audio_lengths: [U] samples (or frames) of each clip.

        Returns:
            [U, E] float32, L2-normalised.
        """
        with self._autocast(audio.device):
            encoded = self.audio_encoder(audio, audio_lengths)
            return normalize(self.audio_projection(encoded).float(), dim=-1)

    def encode_text(self, text: Tensor, text_lengths: Tensor) -> Tensor:
        """Embeddings of captions in any languages.

        Args:
            text: [B, tokens] int64 from `text_encoder.tokenizer`, padded.
            text_lengths: [B] tokens of each caption.

        Returns:
            [B, E] float32, L2-normalised.
        """
        with self._autocast(text.device):
            encoded = self.text_encoder(text, text_lengths)
            return normalize(self.text_projection(encoded).float(), dim=-1)

    def forward(
        self,
        audio: Tensor,
        audio_lengths: Tensor,
        text: Tensor,
        text_lengths: Tensor,
        clip_index: Tensor,
        utt_id: Any = None,
    ) -> Tuple[Tensor, Dict[str, Tensor], Tensor]:
        """Loss of a batch.

        Args:
            audio, audio_lengths: U distinct clips, as in `encode_audio`.
            text, text_lengths: B captions, as in `encode_text`.
            clip_index: [B] the row of `audio` that each caption belongs to.
            utt_id: names that ESPnet's trainer hands on; not used.

        Returns:
            The loss, numbers to report, and B as the batch's weight.
        """
        embedded_audio = self.encode_audio(audio, audio_lengths)
        embedded_text = self.encode_text(text, text_lengths)
        loss, stats = self.loss(embedded_audio, embedded_text, clip_index)
        weight = torch.tensor(float(text.shape[0]), device=text.device)
        # the trainer averages over ranks, for which everything must have one dimension
        return force_gatherable((loss, stats, weight), loss.device)

    def collect_feats(self, **batch: Tensor) -> Dict[str, Tensor]:
        """ESPnet's statistics stage has nothing to collect here (lengths are known from stage 3)."""
        return {}
