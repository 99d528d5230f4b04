"""Clips that a Python program has in memory: arrays, tensors, what Hugging Face datasets give."""

import contextlib
import tempfile
from pathlib import Path
from typing import Any, Iterator, Mapping, Optional, Union

import numpy as np

from espnet_mlclap.fileio.audio import Waveform, check_samples
from espnet_mlclap.utils.errors import UserError

# More than these are taken for something else than the channels of one clip: of [clips, samples], say.
_MOST_CHANNELS = {"array": 32, "tensor": 2}


@contextlib.contextmanager
def location_or_waveform(clip: Any, sampling_rate: Optional[int]) -> Iterator[Union[str, Waveform]]:
    """Where a clip is stored, or its samples; the layouts are those of `MLCLAP.encode_audio`.

    Bytes of a file are stored in a file for as long as the block lasts.

    Raises:
        UserError: no clip, a layout or type that is not known, or an array without a sampling rate.
        AudioError: samples that cannot be used.
    """
    if isinstance(clip, Mapping) and "array" not in clip and {"bytes", "path"} <= set(clip):
        if clip.get("bytes"):
            with tempfile.NamedTemporaryFile(prefix="mlclap_") as file:
                file.write(clip["bytes"])
                file.flush()
                yield file.name
            return
        clip = clip.get("path")
    if isinstance(clip, (str, Path)):
        yield str(clip)
        return
    if not _is_array(clip) and hasattr(
        type(clip), "__getitem__"
    ):  # a dictionary, or an AudioDecoder
        with contextlib.suppress(KeyError, IndexError, TypeError):
            clip, sampling_rate = clip["array"], _value(clip, "sampling_rate", sampling_rate)
    if not _is_array(clip):
        raise UserError(
            f"encode_audio: {type(clip).__name__} is not a clip. Give a path, a numpy array or a tensor, "
            "or a list of these."
        )
    if sampling_rate is None:
        raise UserError("encode_audio: arrays need their sampling_rate (Hz)")
    samples = check_samples(_as_float(_as_channels(clip)), "encode_audio: the array")
    yield Waveform(samples, sampling_rate)


def _value(clip: Any, name: str, default: Optional[int]) -> Optional[int]:
    try:
        return clip[name]
    except KeyError:
        return default


def _is_array(clip: Any) -> bool:
    return isinstance(clip, np.ndarray) or _is_tensor(clip)


def _is_tensor(clip: Any) -> bool:
    import torch

    return isinstance(clip, torch.Tensor)


def _as_channels(clip: Any) -> np.ndarray:
    """[samples, channels] of a clip in one of the layouts of `encode_audio`."""
    shape = list(clip.shape)
    kind = "array"
    if _is_tensor(clip):
        kind = "tensor"
        clip = clip.detach().cpu()
        clip = (clip.float() if clip.is_floating_point() else clip).numpy().T
    if clip.ndim == 1:
        return clip[:, None]
    if clip.ndim != 2 or not 1 <= clip.shape[1] <= min(len(clip), _MOST_CHANNELS[kind]):
        raise UserError(
            f"encode_audio: {kind} of shape {shape}: a clip is an array [samples] or [samples, channels], or "
            "a tensor [samples] or [1 or 2 channels, samples]. For one clip in another layout give "
            f"{kind}.T, for several clips list({kind}), for many channels their mean."
        )
    return clip


def _as_float(samples: np.ndarray) -> np.ndarray:
    """float32, with integers scaled from the range of their type to [-1, 1)."""
    if samples.dtype.kind == "f":
        return samples.astype(np.float32)
    if samples.dtype.kind not in "iu" or samples.dtype.itemsize > 4:
        raise UserError(
            f"encode_audio: samples of type {samples.dtype}. Give floats in [-1, 1], or integers of 8, 16 or "
            "32 bits over their whole range."
        )
    half = 2.0 ** (8 * samples.dtype.itemsize - 1)
    middle = half if samples.dtype.kind == "u" else 0.0
    return ((samples.astype(np.float64) - middle) / half).astype(np.float32)
