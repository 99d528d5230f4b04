"""Items to a batch: plain tensors whose names and shapes are stated here, once.

U distinct clips with B captions:

    audio          [U, samples] float32 at 16 kHz, or [U, frames, mel bins] float32 in dB; zero padded
    audio_lengths  [U] int64   samples (or frames) of each clip
    text           [B, tokens] int64, padded with the tokenizer's pad token
    text_lengths   [B] int64   tokens of each caption
    clip_index     [B] int64   row of `audio` that each caption belongs to
    lang_index     [B] int64   language of each caption, as its place in the list that the dataset was given
    source_index   [B] int64   the same number for captions that say the same thing in other languages;
                               numbers hold for a training, over batches and ranks
    is_source      [B] bool    whether a caption is what the others with its source_index were made from
    words_index    [B] int64   the same number for captions of the same words, of whatever clip; likewise
    clip_words     [U, W] int64  such numbers of all captions that a clip has in the training set, filled up
                               with -1: whether the words of a caption fit another clip of the batch
    teacher_audio  [U, D] float32  only with teachers: their vectors of each clip, joined (`join_teachers`)
    teacher_text   [B, D] float32  likewise of each caption: the product of the two is the mean cosine

The ids of the captions are next to the tensors. They are the user's own: no meaning is read from them.
"""

from typing import Dict, List, Sequence, Tuple

import numpy as np
import torch
from torch import Tensor

from espnet_mlclap.models.padding import pad
from espnet_mlclap.train.dataset import CaptionedClip


class MLCLAPCollateFn:
    """Pads clips and captions and says which caption belongs to which clip.

    Args:
        pad_id: token that pads captions.

    Returns (when called): the caption ids [B], and the tensors by name.
    """

    def __init__(self, pad_id: int):
        self.pad_id = pad_id

    def __call__(self, items: Sequence[CaptionedClip]) -> Tuple[List[str], Dict[str, Tensor]]:
        captions = [caption for item in items for caption in item.captions]
        audio, audio_lengths = pad([item.audio for item in items], 0.0)
        text, text_lengths = pad([caption.tokens for caption in captions], self.pad_id)
        batch = {
            "audio": audio,
            "audio_lengths": audio_lengths,
            "text": text,
            "text_lengths": text_lengths,
            "clip_index": _int64(row for row, item in enumerate(items) for _ in item.captions),
            "lang_index": _int64(caption.lang_index for caption in captions),
            "source_index": _int64(caption.source_index for caption in captions),
            "is_source": torch.tensor([caption.is_source for caption in captions]),
            "words_index": _int64(caption.words_index for caption in captions),
            "clip_words": torch.from_numpy(np.stack([item.words for item in items])),
        }
        taught = [item.teachers for item in items if item.teachers is not None]
        if taught:
            batch["teacher_audio"] = torch.from_numpy(np.stack([one.clip for one in taught]))
            batch["teacher_text"] = torch.from_numpy(
                np.concatenate([one.captions for one in taught])
            )
        return [caption.key for caption in captions], batch


def _int64(values) -> Tensor:
    return torch.tensor(list(values), dtype=torch.int64)
