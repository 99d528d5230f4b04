"""What the model asks of a text encoder and of its tokenizer."""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar, Dict, Iterable, List, Optional, Sequence, Tuple

import numpy as np
import torch
from torch import Tensor

from espnet_mlclap.models.tokens import Tokens


class Tokenizer(ABC):
    """Turns a caption into token ids; picklable, because the data workers call it.

    Attributes:
        pad_id: what pads the captions of a batch.
    """

    pad_id: int

    @abstractmethod
    def __call__(self, caption: str, lang: str) -> np.ndarray:
        """Token ids [tokens] int64 of `caption` in the language `lang` (FLORES-200)."""

    def many(self, captions: Sequence[Tuple[str, str]]) -> List[np.ndarray]:
        """The same for each (caption, language)."""
        return [self(caption, lang) for caption, lang in captions]

    def prepare(self, captions: Iterable[Tuple[str, str]]) -> None:  # noqa: B027 - not every one needs it
        """Called with all captions of a set before they are taken one by one."""


class AbsTextEncoder(torch.nn.Module, ABC):
    """Captions in, tokens out; a pooling makes one vector per caption of them.

    Attributes:
        tokenizer: makes the token ids that `forward` takes.
        exported_paths: constructor arguments that `export` gives as paths relative to the experiment.
        cache_paths: the same, of folders that only save time: left out where they are not there.
        gives_tokens: whether a caption becomes several tokens; False: one vector, as its only token.
    """

    tokenizer: Tokenizer
    exported_paths: ClassVar[Tuple[str, ...]] = ()
    cache_paths: ClassVar[Tuple[str, ...]] = ()
    gives_tokens: bool = True

    @abstractmethod
    def output_size(self) -> int:
        """Width D of the tokens."""

    @property
    def embedding(self) -> Optional[torch.nn.Embedding]:
        """The embedding of tokens; None where there is none, or nobody knows."""
        return None

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
