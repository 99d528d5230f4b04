"""What the model asks of a text encoder and of its tokenizer."""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar, Dict, Protocol, Tuple

import numpy as np
import torch
from torch import Tensor


class Tokenizer(Protocol):
    """Turns a caption into token ids; picklable, because the data workers call it."""

    pad_id: int

    def __call__(self, caption: str, lang: str) -> np.ndarray:
        """Token ids [tokens] int64 of `caption` in the language `lang` (FLORES-200)."""


class AbsTextEncoder(torch.nn.Module, ABC):
    """Captions in, one vector a caption out.

    Attributes:
        tokenizer: makes the token ids that `forward` takes.
        exported_paths: constructor arguments that `export` gives as paths relative to the experiment.
    """

    tokenizer: Tokenizer
    exported_paths: ClassVar[Tuple[str, ...]] = ()

    @abstractmethod
    def output_size(self) -> int:
        """Width D of a caption's vector."""

    @abstractmethod
    def forward(self, text: Tensor, text_lengths: Tensor) -> Tensor:
        """Encode a batch, whose captions may be in different languages.

        Args:
            text: [captions, tokens] int64, padded with `tokenizer.pad_id`.
            text_lengths: [captions] int64, tokens of each caption.

        Returns:
            [captions, D] float; a caption's vector depends on that caption alone.
        """

    @abstractmethod
    def export(self, folder: Path) -> Dict[str, Any]:
        """Write the files that building this encoder again needs, the weights excepted.

        Args:
            folder: the experiment's folder; files go into `text_encoder` in it.

        Returns:
            Arguments of the constructor that build the encoder from these files alone, so that an
            experiment works on a machine that does not have the original asset. Paths among them are
            relative to `folder`, so that an experiment can be moved.
        """
