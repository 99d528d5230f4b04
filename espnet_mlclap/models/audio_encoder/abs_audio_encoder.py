"""What every audio encoder promises."""

from abc import ABC, abstractmethod

import torch


class AbsAudioEncoder(torch.nn.Module, ABC):
    """Turns a batch of clips into one embedding a clip.

    A new encoder is one subclass and one line in the task's registry of choices.
    """

    @abstractmethod
    def output_size(self) -> int:
        """Width D of the embedding."""

    @abstractmethod
    def forward(self, audio: torch.Tensor, audio_lengths: torch.Tensor) -> torch.Tensor:
        """Embed a batch of clips.

        Args:
            audio: [clips, samples] float32, mono at 16 kHz in [-1, 1], padded with zeros at the
                end; or [clips, frames, mel bins] log-mel features in dB, extracted beforehand.
            audio_lengths: [clips] int64, the samples (or frames) of each clip.

        Returns:
            [clips, D] one embedding a clip, not normalised.
        """
