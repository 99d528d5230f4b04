"""Clips with their captions, read and tokenised in the data workers."""

import zlib
from typing import Callable, Dict, List, Mapping, NamedTuple, Optional

import numpy as np
from torch.utils.data import Dataset

from espnet_mlclap.fileio.audio import SAMPLING_RATE, load_clip
from espnet_mlclap.fileio.data_dir import Caption
from espnet_mlclap.iterators.epoch_plan import ClipCaptions
from espnet_mlclap.models.text_encoder.abs_text_encoder import Tokenizer
from espnet_mlclap.utils.errors import UserError

_FRAME_SAMPLES = 160  # samples between two frames of log-mel features
CROPS = ("none", "random")


class CaptionedClip(NamedTuple):
    """audio: [samples] or [frames, mel bins] float32; tokens: one [tokens] int64 a caption."""

    clip: str
    captions: List[str]
    audio: np.ndarray
    tokens: List[np.ndarray]


class CaptionedClipDataset(Dataset):
    """Loads one clip, once, and tokenises those of its captions that are asked for.

    Args:
        wav_scp: location of each clip (a file, or archive:offset).
        captions: captions by id.
        tokenizer: caption and language to token ids.
        normalize: applied to a caption before it is tokenised.
        crop: "random" takes another piece of `max_seconds` of a longer clip each epoch, "none" its start.
        max_seconds: longest piece of a clip that is used; None for whole clips.
        seed: with clip and epoch, decides where a random piece starts.

    Raises:
        UserError: an unknown `crop`, or "random" without `max_seconds`.
    """

    def __init__(
        self,
        *,
        wav_scp: Mapping[str, str],
        captions: Mapping[str, Caption],
        tokenizer: Tokenizer,
        normalize: Optional[Callable[[str, str], str]] = None,
        crop: str = "none",
        max_seconds: Optional[float] = None,
        seed: int = 0,
    ):
        if crop not in CROPS:
            raise UserError(f"crop must be one of {CROPS}, not {crop!r}")
        if crop == "random" and max_seconds is None:
            raise UserError("crop: random needs max_seconds, the length of the piece")
        self.wav_scp = dict(wav_scp)
        self.captions: Dict[str, Caption] = dict(captions)
        self.tokenizer = tokenizer
        self.normalize = normalize
        self.crop = crop
        self.max_seconds = max_seconds
        self.seed = seed

    def __len__(self) -> int:
        return len(self.wav_scp)

    def __getitem__(self, item: ClipCaptions) -> CaptionedClip:
        """Load one clip.

        Raises:
            AudioError: the clip cannot be read.
        """
        audio = self._cut(load_clip(self.wav_scp[item.clip]), item)
        tokens = [self._tokens(self.captions[key]) for key in item.captions]
        return CaptionedClip(item.clip, list(item.captions), audio, tokens)

    def _tokens(self, caption: Caption) -> np.ndarray:
        text = caption.text
        if self.normalize is not None:
            text = self.normalize(text, caption.lang)
        return self.tokenizer(text, caption.lang)

    def _cut(self, audio: np.ndarray, item: ClipCaptions) -> np.ndarray:
        if self.max_seconds is None:
            return audio
        per_second = SAMPLING_RATE if audio.ndim == 1 else SAMPLING_RATE / _FRAME_SAMPLES
        length = max(1, round(self.max_seconds * per_second))
        if audio.shape[0] <= length:
            return audio
        start = 0
        if self.crop == "random":
            key = [self.seed, item.epoch, zlib.crc32(item.clip.encode("utf-8"))]
            start = int(np.random.default_rng(key).integers(audio.shape[0] - length + 1))
        return audio[start : start + length]
