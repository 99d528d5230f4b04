"""What the model asks of a text encoder and of its tokenizer."""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar, Dict, Protocol, Tuple

import numpy as np
import torch
from torch import Tensor

from espnet_mlclap.models.tokens import Tokens


class Tokenizer(Protocol):
    """Turns a caption into token ids; picklable, because the data workers call it."""

    pad_id: int

    def __call__(self, caption: str, lang: str) -> np.ndarray:
        """Token ids [tokens] int64 of `caption` in the language `lang` (FLORES-200)."""


class AbsTextEncoder(torch.nn.Module, ABC):
    """Captions in, tokens out; a pooling makes one vector per caption of them.

    Attributes:
        tokenizer: makes the token ids that `forward` takes.
        exported_paths: constructor arguments that `export` gives as paths relative to the experiment.
    """

    tokenizer: Tokenizer
    exported_paths: ClassVar[Tuple[str, ...]] = ()

    @abstractmethod
    def output_size(self) -> int:
        """Width D of the tokens."""

    @abstractmethod
    def forward(self, text: Tensor, text_lengths: Tensor) -> Tokens:
        """Encode a batch, whose captions may be in different languages.

        Args:
            text: [captions, tokens] int64, padded with `tokenizer.pad_id`.
            text_lengths: [captions] int64, tokens of each caption.

        Returns:
            Tokens of width D; those of a caption depend on that caption alone. An encoder that gives one
            vector per caption gives one token per caption.
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
