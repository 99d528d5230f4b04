"""The audio models of transformers that can be used, each with its features: CLAP's HTSAT, AST.

Their feature extractors make an input of one size from a clip that is not longer than a window. A longer clip
is heard in windows that are evenly spaced over it and overlap as little as can be; CLAP's own extractor
would take three random pieces, other ones each time.

Legend: n windows, f frames, m mel bins, t tokens, d width.
"""

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Dict, Type

import numpy as np
import torch
from torch import Tensor


class AudioFamily(ABC):
    """One kind of audio model.

    Args:
        extractor: its feature extractor, of transformers.

    Attributes:
        config_class, extractor_class: their names in transformers.
    """

    config_class: ClassVar[str]
    extractor_class: ClassVar[str]

    def __init__(self, extractor: Any):
        self.extractor = extractor

    @property
    def rate(self) -> int:
        """Hz of the waveforms that it takes."""
        return int(self.extractor.sampling_rate)

    @property
    @abstractmethod
    def window(self) -> int:
        """Samples that it hears at once."""

    @abstractmethod
    def features(self, samples: np.ndarray) -> np.ndarray:
        """[f, m] float32 of up to `window` samples; f and m are always the same."""

    @staticmethod
    @abstractmethod
    def build(config: Any) -> torch.nn.Module:
        """The model with random weights."""

    @staticmethod
    @abstractmethod
    def load(model: str, config: Any, **source: Any) -> torch.nn.Module:
        """The model with the weights that are there."""

    @staticmethod
    def inner(config: Any) -> Any:
        """The configuration of the audio model, where `config` is one of more than that."""
        return config

    @staticmethod
    @abstractmethod
    def size(config: Any) -> int:
        """d"""

    @staticmethod
    @abstractmethod
    def tokens(model: torch.nn.Module, features: Tensor) -> Tensor:
        """[n, f, m] -> [n, t, d]"""


class ClapFamily(AudioFamily):
    """HTSAT, CLAP's audio encoder (Chen et al., 2022); a window is 10 s, shorter clips are repeated.

    The mean of its tokens is what `ClapModel` projects. Of a model with feature fusion the part for longer
    clips is not used: its input holds the same piece four times, as for a short clip.
    """

    config_class = "ClapConfig"
    extractor_class = "ClapFeatureExtractor"

    @property
    def window(self) -> int:
        return int(self.extractor.nb_max_samples)

    def features(self, samples: np.ndarray) -> np.ndarray:
        found = self.extractor(samples, sampling_rate=self.rate, return_tensors="np")
        return np.asarray(found["input_features"][0][0], dtype=np.float32)

    @staticmethod
    def build(config: Any) -> torch.nn.Module:
        from transformers import ClapAudioModel

        return ClapAudioModel(config)

    @staticmethod
    def load(model: str, config: Any, **source: Any) -> torch.nn.Module:
        from transformers import ClapModel

        whole, found = ClapModel.from_pretrained(
            model, config=config, output_loading_info=True, **source
        )
        check_loaded(found)
        return whole.audio_model

    @staticmethod
    def inner(config: Any) -> Any:
        return getattr(config, "audio_config", config)

    @staticmethod
    def size(config: Any) -> int:
        return int(config.hidden_size)

    @staticmethod
    def tokens(model: torch.nn.Module, features: Tensor) -> Tensor:
        channels = 4 if model.config.enable_fusion else 1
        given = features.unsqueeze(1).expand(-1, channels, -1, -1)
        longer = torch.zeros(len(features), 1, dtype=torch.bool, device=features.device)
        states = model(input_features=given, is_longer=longer).last_hidden_state  # [n, d, h, w]
        return states.flatten(2).transpose(1, 2)


class AstFamily(AudioFamily):
    """Audio Spectrogram Transformer (Gong et al., 2021); a window is as many frames as it has positions for.

    The first two tokens are those that it was trained to classify with.
    """

    config_class = "ASTConfig"
    extractor_class = "ASTFeatureExtractor"
    _HOP_SECONDS = 0.01
    _SHORTEST_SECONDS = 0.025  # one frame

    @property
    def window(self) -> int:
        return round(self.extractor.max_length * self._HOP_SECONDS * self.rate)

    def features(self, samples: np.ndarray) -> np.ndarray:
        missing = round(self._SHORTEST_SECONDS * self.rate) - len(samples)
        samples = np.pad(samples, (0, max(0, missing)))
        found = self.extractor(samples, sampling_rate=self.rate, return_tensors="np")
        return np.asarray(found["input_values"][0], dtype=np.float32)

    @staticmethod
    def build(config: Any) -> torch.nn.Module:
        from transformers import ASTModel

        return ASTModel(config)

    @staticmethod
    def load(model: str, config: Any, **source: Any) -> torch.nn.Module:
        from transformers import ASTModel

        loaded, found = ASTModel.from_pretrained(
            model, config=config, output_loading_info=True, **source
        )
        check_loaded(found)
        return loaded

    @staticmethod
    def size(config: Any) -> int:
        return int(config.hidden_size)

    @staticmethod
    def tokens(model: torch.nn.Module, features: Tensor) -> Tensor:
        return model(input_values=features).last_hidden_state


#: By `model_type` in config.json.
FAMILIES: Dict[str, Type[AudioFamily]] = {
    "clap": ClapFamily,
    "clap_audio_model": ClapFamily,
    "audio-spectrogram-transformer": AstFamily,
}


def check_loaded(found: Dict[str, Any]) -> None:
    """Make sure that a file had all weights of a model.

    Raises:
        ValueError: names those that are missing.
    """
    if found["missing_keys"]:
        raise ValueError(f"it has no weights for {', '.join(sorted(found['missing_keys'])[:5])}")


def windows(samples: np.ndarray, window: int) -> list[np.ndarray]:
    """A clip in pieces of `window` samples, evenly spaced from its start to its end; a shorter one whole."""
    if len(samples) <= window:
        return [samples]
    count = -(-len(samples) // window)
    starts = np.linspace(0, len(samples) - window, count).round().astype(int)
    return [samples[start : start + window] for start in starts]
