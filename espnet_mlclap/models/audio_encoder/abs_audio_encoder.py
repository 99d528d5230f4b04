"""What every audio encoder promises."""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar, Dict, Optional, Tuple

import torch

from espnet_mlclap.fileio.clip_reader import ClipReader
from espnet_mlclap.models.tokens import Tokens


class AbsAudioEncoder(torch.nn.Module, ABC):
    """Turns a batch of clips into tokens; a pooling makes one vector per clip of them.

    A new encoder is one subclass and one line in `espnet_mlclap.models.registry`.

    Attributes:
        exported_paths: constructor arguments that are paths relative to the experiment in its config.yaml.
        cache_paths: the same, of folders that only save time: left out where they are not there.
        gives_tokens: whether a clip becomes several tokens; False: one vector, as its only token.
    """

    exported_paths: ClassVar[Tuple[str, ...]] = ()
    cache_paths: ClassVar[Tuple[str, ...]] = ()
    gives_tokens: bool = True

    @property
    def reader(self) -> ClipReader:
        """Gives the clips in the form that `forward` takes."""
        return ClipReader()

    def export(self, folder: Path) -> Optional[Dict[str, Any]]:
        """Arguments of the constructor that build the encoder again from an experiment in `folder`.

        None, as here, if those that it was built with will do, the weights (`checkpoint`) excepted.
        """
        return None

    @property
    def clip_tensors(self) -> int:
        """Number of tensors that `across_clips` gives."""
        return 2

    @abstractmethod
    def output_size(self) -> int:
        """Width D of the tokens."""

    def across_clips(
        self, audio: torch.Tensor, audio_lengths: torch.Tensor
    ) -> Tuple[torch.Tensor, ...]:
        """The part of `forward` in which clips of a batch depend on each other while training.

        That is batch normalisation, where an encoder begins with it; the rest can then be computed for some
        of the clips at a time (the gradient cache).

        Returns:
            What `of_each_clip` takes: `clip_tensors` tensors with a row per clip. `of_each_clip` of all rows
            is `forward`.
        """
        return audio, audio_lengths

    def of_each_clip(self, *clips: torch.Tensor) -> Tokens:
        """The rest of `forward`, for all clips of `across_clips` or some of them."""
        return self(*clips)

    @abstractmethod
    def forward(self, audio: torch.Tensor, audio_lengths: torch.Tensor) -> Tokens:
        """Encode a batch of clips.

        Args:
            audio: [clips, samples] float32, mono at 16 kHz in [-1, 1], padded with zeros at the
                end; or [clips, frames, mel bins] log-mel features in dB, extracted beforehand.
            audio_lengths: [clips] int64, the samples (or frames) of each clip.

        Returns:
            Tokens of width D; those of a clip depend on that clip alone. An encoder that gives one vector
            per clip gives one token per clip.
        """
