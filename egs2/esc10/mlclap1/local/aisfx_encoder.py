"""The sound-effects encoder aisfx as a frozen audio encoder: an encoder that lives outside of the package.

A. B. Ma and A. Lerch, "Representation Learning for the Automatic Indexing of Sound Effects Libraries",
ISMIR 2022; the model is under CC BY 4.0. A network of eight convolutions was trained to classify nine
libraries of sound effects; its 512 numbers for each two seconds, averaged over a clip, stand for the clip.

Two things differ from the package's own inference. Its loader unpickles whatever the file holds: here the
safe reader does, given the types of numpy that are stored with the weights. Its older pins (numpy 1.23,
librosa 0.9) are not installed; what is computed with them is stated here.
"""

import importlib.metadata
from importlib.resources import as_file, files
from typing import List, Sequence, Tuple

import numpy as np
import torch

_FRAME, _HOP = 2048, 1024  # samples of a spectrum and between two
_MEL_BINS = 96
_COMPRESSION = 10000.0  # log10(1 + 10000 power)
_LARGEST = 9.457798957824707  # of the spectra that the network was trained on, which become 0 to 1
_BLOCK, _BLOCK_HOP = 100, 50  # frames of what the network hears at once (2.3 s) and between two


class AisfxEncoder:
    """Clips to 512 numbers: the mean over blocks of 2.3 s, half a block apart, scaled to the length 1.

    Args:
        parts: a clip is cut into so many parts of equal numbers of blocks, whose means stand one after the
            other: what was heard first can then be told from what was heard last.

    Attributes:
        version: of the installed package `aisfx`, which brings the weights.
        sampling_rate: 44100 Hz; half of what the network hears lies above 8 kHz.
    """

    sampling_rate = 44100

    def __init__(self, parts: int = 1) -> None:
        if parts < 1:
            raise ValueError(f"parts must be 1 or more, not {parts}")
        self.parts = parts
        self.size = 512 * parts
        self.version = importlib.metadata.version("aisfx")
        self._network = _load_network()

    def encode(self, clips: Sequence[np.ndarray]) -> np.ndarray:
        """Encode clips.

        Args:
            clips: [samples] float32 each, mono at 44.1 kHz.

        Returns:
            [clips, 512 for each part] float32 of length 1.
        """
        vectors = np.stack([self._encode(clip) for clip in clips])
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True).clip(min=1e-12)

    def encode_tokens(self, clips: Sequence[np.ndarray]) -> List[np.ndarray]:
        """A row for each block, whose mean is the clip's vector; arguments as `encode`.

        A block's numbers stand in the places of the parts that it belongs to, and zeros in the others.
        """
        return [self._tokens(clip) for clip in clips]

    def _encode(self, clip: np.ndarray) -> np.ndarray:
        heard, starts, ends = self._heard(clip)
        return np.concatenate([heard[s:e].mean(axis=0) for s, e in zip(starts, ends)])

    def _tokens(self, clip: np.ndarray) -> np.ndarray:
        heard, starts, ends = self._heard(clip)
        tokens = np.zeros((len(heard), self.parts, heard.shape[1]), np.float32)
        for part, (start, end) in enumerate(zip(starts, ends)):
            tokens[start:end, part] = heard[start:end] * (len(heard) / (end - start))
        tokens = tokens.reshape(len(heard), self.size)
        return tokens / np.linalg.norm(tokens.mean(axis=0)).clip(min=1e-12)

    def _heard(self, clip: np.ndarray) -> Tuple[np.ndarray, np.ndarray, np.ndarray]:
        """What the network makes of each block, [blocks, 512], and where each part starts and ends."""
        blocks = torch.from_numpy(np.stack(blocks_of(spectrogram(clip))))
        with torch.inference_mode():
            heard = self._network(blocks).numpy()
        limits = np.linspace(0, len(heard), self.parts + 1)
        return heard, np.floor(limits[:-1]).astype(int), np.ceil(limits[1:]).astype(int)


def spectrogram(clip: np.ndarray) -> np.ndarray:
    """[frames, 96] float32 in about [0, 1]: log mel power of the clip at a peak of 1."""
    import librosa

    peak = np.abs(clip).max()
    power = librosa.feature.melspectrogram(
        y=clip / peak if peak > 0 else clip,
        sr=AisfxEncoder.sampling_rate,
        n_fft=_FRAME,
        hop_length=_HOP,
        n_mels=_MEL_BINS,
        fmin=0.0,
        fmax=AisfxEncoder.sampling_rate / 2,
        htk=True,
        norm=1,  # the weights of a mel band sum to 1
    )
    return (np.log10(1.0 + _COMPRESSION * power.T) / _LARGEST).astype(np.float32)


def blocks_of(frames: np.ndarray) -> List[np.ndarray]:
    """Blocks [100, 96], half a block apart; a rest at the end is dropped, a shorter clip padded."""
    if len(frames) < _BLOCK:
        frames = np.pad(frames, ((0, _BLOCK - len(frames)), (0, 0)))
    starts = range(0, len(frames) - _BLOCK + 1, _BLOCK_HOP)
    return [frames[start : start + _BLOCK] for start in starts]


def _load_network() -> torch.nn.Module:
    from aisfx.models.cnn2d import EmbeddingNet

    network = EmbeddingNet("max", 3, 1, 64)
    # stored with the weights are counts of classes, integers of numpy, which are put together by a function
    # that has another name in later versions of numpy
    count = np.int64(0)
    put_together = count.__reduce__()[0]
    allowed = [(put_together, "numpy.core.multiarray.scalar"), np.dtype, type(count.dtype)]
    checkpoint = as_file(files("aisfx") / "models" / "checkpoint.pth")
    with checkpoint as path, torch.serialization.safe_globals(allowed):
        weights, _ = torch.load(path, map_location="cpu", weights_only=True)
    prefix = "embedding_net."
    network.load_state_dict(
        {key.removeprefix(prefix): value for key, value in weights.items() if prefix in key}
    )
    return network.requires_grad_(False).eval()
