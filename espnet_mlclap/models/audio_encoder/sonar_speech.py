"""SONAR's speech encoder (Duquenne et al., 2023) as an audio encoder: Table 1 of the ML-CLAP paper.

A conformer (w2v-BERT 2.0) over 80 mel bins, and a transformer decoder of one step that pools its frames
into a vector of SONAR's space. Model and features are those of sonar-space and fairseq2.
"""

from typing import Any, List, Optional

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from espnet_mlclap.checkpoints.sonar_assets import (
    load_sonar_model,
    read_asset,
    require_sonar_space,
)
from espnet_mlclap.fileio.audio import HOP_LENGTH, SAMPLING_RATE
from espnet_mlclap.models.audio_encoder.abs_audio_encoder import AbsAudioEncoder
from espnet_mlclap.models.audio_encoder.recompute import recompute_in_backward
from espnet_mlclap.models.tokens import Tokens
from espnet_mlclap.utils.errors import UserError

_WHERE = "audio_encoder_conf of sonar_speech"
_MEL_BINS = 80
_SAMPLE_SCALE = 2.0**15  # the features are those of 16-bit samples, as in sonar-space's pipelines
_WINDOW = 400  # samples


class SonarSpeechEncoder(AbsAudioEncoder):
    """Clips to vectors of SONAR's space.

    Args:
        architecture: name in sonar-space: "english" (3 layers in the pooling decoder) or
            "non_english" (6), both with 24 conformer blocks of width 1024.
        checkpoint: fairseq2 asset with the weights to start from, such as `sonar_speech_encoder_eng`;
            None for random ones.
        model_dim, num_layers, num_heads, ffn_inner_dim, num_pooling_layers, frames_per_step: instead of
            the architecture's width, conformer blocks, attention heads, width between the linear layers of
            a block, layers of the pooling decoder, frames of 10 ms that make one step of the conformer
            (for small models from scratch).
        dropout: instead of the architecture's, everywhere.
        gradient_checkpointing: keep only the input of each conformer block while training, and compute
            the rest again for the gradients: with 24 blocks 65 MiB instead of 2.1 GiB per clip of 10 s.

    A clip shorter than a step (35 ms) is filled up with silence, of one longer than the model's
    positions reach (4,096 steps: 82 s) only the start counts. Mel bins are standardised over a clip, as
    in SONAR; one that is constant (digital silence) becomes 0.

    Raises:
        UserError: sonar-space is not installed, an unknown architecture or asset, sizes that do not go
            together, or weights that do not fit them.
    """

    gives_tokens = False

    def __init__(
        self,
        *,
        architecture: str = "english",
        checkpoint: Optional[str] = None,
        model_dim: Optional[int] = None,
        num_layers: Optional[int] = None,
        num_heads: Optional[int] = None,
        ffn_inner_dim: Optional[int] = None,
        num_pooling_layers: Optional[int] = None,
        frames_per_step: Optional[int] = None,
        dropout: Optional[float] = None,
        gradient_checkpointing: bool = False,
    ):
        super().__init__()
        require_sonar_space("audio_encoder sonar_speech")
        from sonar.models.sonar_speech import SonarSpeechEncoderFactory

        config = _architecture(architecture)
        conformer = config.w2v2_encoder_config
        if model_dim is not None:
            config.model_dim = conformer.model_dim = model_dim
        if num_layers is not None:
            conformer.num_encoder_layers = num_layers
        if num_heads is not None:
            config.num_decoder_attn_heads = conformer.num_encoder_attn_heads = num_heads
        if ffn_inner_dim is not None:
            config.ffn_inner_dim = conformer.ffn_inner_dim = ffn_inner_dim
        if num_pooling_layers is not None:
            config.num_decoder_layers = num_pooling_layers
        if frames_per_step is not None:
            conformer.fbank_stride = frames_per_step
            conformer.feature_dim = frames_per_step * _MEL_BINS
        if dropout is not None:
            config.final_dropout_p = config.dropout_p = dropout
            conformer.dropout_p = conformer.attn_dropout_p = dropout
            conformer.ffn_inner_dropout_p = dropout
        self._step = conformer.fbank_stride
        self._min_samples = _WINDOW + (self._step - 1) * HOP_LENGTH
        self._max_samples = _WINDOW + (conformer.max_seq_len * self._step - 1) * HOP_LENGTH
        self._size = config.model_dim
        try:
            self.model = SonarSpeechEncoderFactory(config).create_model()
        except ValueError as error:
            raise UserError(f"{_WHERE}: {error}") from error
        if gradient_checkpointing:
            recompute_in_backward(self.model.encoder.layers)
        if checkpoint is not None:
            self._load(checkpoint)

    def _load(self, checkpoint: str) -> None:
        try:
            asset = read_asset(checkpoint, speech=True)
            self.model.load_state_dict(load_sonar_model(asset).state_dict())
        except RuntimeError as error:  # keys or shapes; torch's message names them
            raise UserError(
                f"{_WHERE}: {checkpoint} does not fit this architecture. {error}"
            ) from error

    def output_size(self) -> int:
        return self._size

    def forward(self, audio: Tensor, audio_lengths: Tensor) -> Tokens:
        """Encode a batch of clips.

        Args:
            audio: [clips, samples] float32 at 16 kHz in [-1, 1].
            audio_lengths: [clips] samples of each.

        Returns:
            One token per clip: what the pooling decoder, which is part of the model, makes of its frames.

        Raises:
            UserError: features instead of samples.
        """
        from fairseq2.nn import BatchLayout

        if audio.dim() != 2:
            raise UserError(
                "audio_encoder sonar_speech: needs samples and makes features of its own. "
                "Format the audio with --audio_format flac or flac.ark."
            )
        features = self.features(audio, audio_lengths)
        lengths = [len(clip) for clip in features]
        # seqs: [clips, frames, 80]
        seqs = pad_sequence(features, batch_first=True).to(audio.device)
        pooled = self.model(seqs, BatchLayout.of(seqs, seq_lens=lengths)).sentence_embeddings
        return Tokens(pooled.unsqueeze(1))

    def features(self, audio: Tensor, audio_lengths: Tensor) -> List[Tensor]:
        """Log-mel features of each clip, [frames, 80], standardised, on the CPU.

        The number of frames is one of whole steps: frames that are left over must not count in some
        batches and not in others.
        """
        from fairseq2.data.audio import WaveformToFbankConverter

        filter_bank = WaveformToFbankConverter(
            num_mel_bins=_MEL_BINS,
            waveform_scale=_SAMPLE_SCALE,
            channel_last=True,
            standardize=True,
        )
        found = []
        for clip, length in zip(audio.detach().float().cpu(), audio_lengths.tolist()):
            samples = clip[: min(length, self._max_samples)]
            missing = max(0, self._min_samples - len(samples))
            samples = torch.nn.functional.pad(samples, (0, missing)).unsqueeze(1).contiguous()
            frames = filter_bank({"waveform": samples, "sample_rate": float(SAMPLING_RATE)})[
                "fbank"
            ]
            whole = len(frames) // self._step * self._step
            found.append(torch.nan_to_num(frames[:whole]))
        return found


def _architecture(name: str) -> Any:
    """A fresh configuration of a named architecture."""
    from fairseq2.models import ModelArchitectureNotKnownError
    from sonar.models.sonar_speech import get_sonar_speech_encoder_hub

    hub = get_sonar_speech_encoder_hub()
    try:
        return hub.get_arch_config(name)
    except ModelArchitectureNotKnownError as error:
        known = ", ".join(sorted(hub.get_archs()))
        raise UserError(
            f"{_WHERE}: architecture: there is no {name!r}; choose one of {known}"
        ) from error
