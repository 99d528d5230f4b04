"""Audio encoder `huggingface`: audio models of transformers with their own features."""

from pathlib import Path
from typing import Any, Dict, Tuple

import numpy as np
import torch
from torch import Tensor

from espnet_mlclap.checkpoints.state_dict import check_state_dict
from espnet_mlclap.fileio.audio import Waveform, load_samples, to_mono
from espnet_mlclap.fileio.clip_reader import ClipReader
from espnet_mlclap.models.audio_encoder.abs_audio_encoder import AbsAudioEncoder
from espnet_mlclap.models.audio_encoder.huggingface_families import (
    FAMILIES,
    AudioFamily,
    windows,
)
from espnet_mlclap.models.hub_model import check_init, loading, write_into
from espnet_mlclap.models.tokens import Tokens, length_mask
from espnet_mlclap.utils.errors import UserError

_WHERE = "audio_encoder_conf of huggingface"
_FOLDER = "audio_encoder"


class WindowFeatures(ClipReader):
    """Gives the features of a clip's windows, one after the other: [windows * frames, mel bins] float32.

    Args:
        family: of the model.
    """

    croppable = False

    def __init__(self, family: AudioFamily):
        self._family = family

    def __call__(self, location: str) -> np.ndarray:
        return self._features(load_samples(location, self._family.rate))

    def of_waveform(self, waveform: Waveform) -> np.ndarray:
        return self._features(to_mono(waveform, self._family.rate))

    def _features(self, samples: np.ndarray) -> np.ndarray:
        pieces = windows(samples, self._family.window)
        return np.concatenate([self._family.features(piece) for piece in pieces])


class HuggingfaceAudioEncoder(AbsAudioEncoder):
    """CLAP's HTSAT or an audio spectrogram transformer; the tokens of all windows of a clip.

    Nothing is fetched from the network unless it is asked for, and no code of a model's own is run. The model
    gets clips at its own rate: where that is above 16 kHz (CLAP: 48 kHz), format with `--audio_format
    original`.

    Args:
        model: a folder with config.json, preprocessor_config.json and weights, or a name on the Hugging Face
            hub (`laion/clap-htsat-unfused`, `MIT/ast-finetuned-audioset-10-10-0.4593`).
        init: "pretrained" or "scratch" (random weights of the same architecture).
        download: whether the model may be fetched from the hub.

    Raises:
        UserError: transformers or the model is missing, a model of another kind, or an unknown `init`.
    """

    exported_paths = ("model",)

    def __init__(self, *, model: str, init: str = "pretrained", download: bool = False):
        super().__init__()
        check_init(init, _WHERE)
        try:
            import transformers
        except ImportError as error:
            raise UserError(
                "audio_encoder huggingface needs transformers: pip install 'espnet_mlclap[huggingface]'"
            ) from error
        source = {"local_files_only": not download}
        with loading(model, _WHERE, download):
            settings, _ = transformers.PretrainedConfig.get_config_dict(model, **source)
            kind = FAMILIES.get(settings.get("model_type", ""))
            if kind is None:
                raise ValueError(
                    f"model_type {settings.get('model_type')} is none of {', '.join(FAMILIES)}"
                )
            config, inner = _configurations(settings, kind)
            extractor = getattr(transformers, kind.extractor_class).from_pretrained(model, **source)
            self._family = kind(extractor)
            self.model = (
                kind.load(model, config, **source) if init == "pretrained" else kind.build(inner)
            )
        if init == "pretrained":
            check_state_dict(self.model.state_dict(), f"{_WHERE}: model {model}")
        with torch.device("cpu"):  # also where the model is only laid out
            self._frames = len(self._family.features(np.zeros(self._family.window, np.float32)))

    @property
    def reader(self) -> ClipReader:
        return WindowFeatures(self._family)

    def output_size(self) -> int:
        return self._family.size(self.model.config)

    def forward(self, audio: Tensor, audio_lengths: Tensor) -> Tokens:
        """See `AbsAudioEncoder.forward`.

        Args:
            audio: [clips, windows * frames, mel bins] of `WindowFeatures`, padded with whole windows.
            audio_lengths: [clips] frames.
        """
        clips = len(audio)
        features = audio.unflatten(1, (-1, self._frames))  # [clips, windows, frames, mel bins]
        real = length_mask(audio_lengths.to(audio.device) // self._frames, features.shape[1])
        found = self._family.tokens(self.model, features[real])  # [real windows, t, D]
        values = found.new_zeros(clips, features.shape[1], *found.shape[1:])
        values[real] = found
        mask = real.unsqueeze(2).expand(-1, -1, found.shape[1])
        segment = torch.arange(features.shape[1], device=audio.device)[None, :, None].expand_as(
            mask
        )
        return Tokens(values.flatten(1, 2), mask.flatten(1), segment.flatten(1))

    def export(self, folder: Path) -> Dict[str, Any]:
        write_into(
            Path(folder, _FOLDER),
            self.model.config.save_pretrained,
            self._family.extractor.save_pretrained,
        )
        return {"model": _FOLDER, "init": "scratch"}


def _configurations(settings: Dict[str, Any], kind: type) -> Tuple[Any, Any]:
    """The configuration of what config.json describes, and that of the audio model in it."""
    import transformers

    name = kind.config_class  # type: ignore[attr-defined]
    if settings["model_type"] == "clap_audio_model":
        name = "ClapAudioConfig"
    config = getattr(transformers, name).from_dict(settings)
    return config, kind.inner(config)  # type: ignore[attr-defined]
