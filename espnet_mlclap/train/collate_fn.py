"""Items to a batch: the tensors that the model takes."""

from typing import Dict, List, Sequence, Tuple

import torch
from torch import Tensor

from espnet_mlclap.models.padding import pad
from espnet_mlclap.train.dataset import CaptionedClip


class MLCLAPCollateFn:
    """Pads clips and captions and says which caption belongs to which clip.

    Args:
        pad_id: token that pads captions.

    Returns (when called): the caption ids of the batch, and
        audio [U, samples] or [U, frames, mel bins] float32, audio_lengths [U] int64,
        text [B, tokens] int64, text_lengths [B] int64, clip_index [B] int64 (row of `audio`).
    """

    def __init__(self, pad_id: int):
        self.pad_id = pad_id

    def __call__(self, items: Sequence[CaptionedClip]) -> Tuple[List[str], Dict[str, Tensor]]:
        tokens = [caption for item in items for caption in item.tokens]
        audio, audio_lengths = pad([item.audio for item in items], 0.0)
        text, text_lengths = pad(tokens, self.pad_id)
        owners = [row for row, item in enumerate(items) for _ in item.tokens]
        keys = [key for item in items for key in item.captions]
        return keys, {
            "audio": audio,
            "audio_lengths": audio_lengths,
            "text": text,
            "text_lengths": text_lengths,
            "clip_index": torch.tensor(owners, dtype=torch.int64),
        }
