"""Captions to vectors, in batches of similar length: for Python users, for stage 6 and for validation."""

import warnings
from itertools import islice
from typing import Callable, Iterator, List, Optional, Sequence, Tuple, Union

import numpy as np
import torch
from torch import Tensor

from espnet_mlclap.models.finite import check_captions
from espnet_mlclap.models.padding import pad
from espnet_mlclap.models.two_tower import TwoTowerModel
from espnet_mlclap.utils.progress import progress_bar
from espnet_mlclap.utils.shown import shown

CAPTIONS_PER_BATCH = 64


def embed_captions(
    model: TwoTowerModel,
    captions: Sequence[Tuple[str, str]],
    *,
    normalize: Optional[Callable[[str, str], str]] = None,
    device: Union[str, torch.device] = "cpu",
    batch_size: int = CAPTIONS_PER_BATCH,
    show_progress: bool = True,
    rank: int = 0,
    ranks: int = 1,
) -> np.ndarray:
    """Embed captions, each in its own language; to be called without gradients.

    Args:
        model: on `device`, in evaluation mode.
        captions: (caption, FLORES-200 code).
        normalize: applied to a caption and its language before it is tokenised.
        device: where to compute.
        batch_size: captions that are encoded together. Another number may change the last bits.
        show_progress: on the standard error output, if it takes longer than two seconds.
        rank, ranks: of the batches, every so-and-so-many-th from this one; the other rows are 0.

    Returns:
        [captions, E] float32 unit vectors, in the order given.

    Raises:
        UserError: a language that the text encoder does not know, or a caption of which the model makes NaN.
    """
    rows = np.zeros((len(captions), model.embed_size), dtype=np.float32)
    bar = progress_bar("embedding captions", len(captions), "captions", show=show_progress)
    with bar:
        batches = caption_batches(model, captions, normalize, batch_size)
        for chosen, text, lengths in islice(batches, rank, None, ranks):
            rows[chosen] = model.encode_text(text.to(device), lengths.to(device)).cpu().numpy()
            bar.update(len(chosen))
    check_captions(rows, [text for text, _ in captions])
    return rows


def caption_batches(
    model: TwoTowerModel,
    captions: Sequence[Tuple[str, str]],
    normalize: Optional[Callable[[str, str], str]] = None,
    batch_size: int = CAPTIONS_PER_BATCH,
) -> Iterator[Tuple[List[int], Tensor, Tensor]]:
    """Captions in batches of similar length as the model's encoder takes them, with their places.

    Arguments and errors are those of `embed_captions`.
    """
    tokenizer = model.text_encoder.tokenizer
    if normalize:
        captions = [(normalize(text, lang), lang) for text, lang in captions]
    tokens = tokenizer.many(captions)
    _warn_of_cut(captions, [len(one) for one in tokens], getattr(tokenizer, "max_tokens", None))
    order = sorted(range(len(tokens)), key=lambda row: len(tokens[row]))
    for start in range(0, len(order), batch_size):
        chosen = order[start : start + batch_size]
        yield chosen, *pad([tokens[row] for row in chosen], tokenizer.pad_id)


def _warn_of_cut(
    captions: Sequence[Tuple[str, str]], lengths: Sequence[int], most: Optional[int]
) -> None:
    long = [text for (text, _), length in zip(captions, lengths) if most and length >= most]
    if long:
        warnings.warn(
            f"{len(long)} captions are longer than the {most} tokens that the text encoder takes; the rest "
            f"of them is not used. The first is {shown(long[0][:40])!r} ...",
            stacklevel=3,
        )
