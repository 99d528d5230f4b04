"""Embed a training set once, for students that learn from this model.

    <out>/clips          a table of vectors (`embedding_table.py`) by clip id
    <out>/captions       likewise by caption id: the originals
    <out>/translations   likewise, where there are some
    <out>/paraphrases    likewise

After a kill it goes on where it was. A change of the captions leaves the clips as they are.
"""

import functools
from pathlib import Path
from typing import (
    Callable,
    Iterable,
    Iterator,
    List,
    Mapping,
    NamedTuple,
    Optional,
    Sequence,
    Union,
)

import numpy as np
import torch

from espnet_mlclap.evaluation.embed_set import CLIPS_PER_BATCH, embed_clips, settings_of_evaluation
from espnet_mlclap.evaluation.table_shares import SharedTable
from espnet_mlclap.evaluation.training_items import TrainingItems
from espnet_mlclap.fileio.data_dir import Caption
from espnet_mlclap.models.embed_captions import embed_captions
from espnet_mlclap.models.two_tower import TwoTowerModel
from espnet_mlclap.utils.shard import Shard

_CAPTIONS_AT_ONCE = 1024  # tokenised together; batches are smaller


class Embedder(NamedTuple):
    """A model with what is needed to embed captions as it was trained: see `embed_set`."""

    model: TwoTowerModel
    normalize: Optional[Callable[[str, str], str]]
    device: torch.device


def embed_training_set(
    teacher: Embedder,
    items: TrainingItems,
    out: Union[str, Path],
    *,
    identities: Mapping[str, str],
    clips_per_batch: int = CLIPS_PER_BATCH,
    num_workers: int = 0,
    shard: Optional[Shard] = None,
) -> None:
    """Make the tables of vectors of clips and captions in a folder, as far as they are not made.

    Args:
        teacher: whose vectors they are.
        items: the set.
        out: the folder.
        identities: of the tables to make: `TrainingItems.identities`.
        clips_per_batch: clips that are encoded together.
        num_workers: processes that read clips.
        shard: make only this share of each table.

    Raises:
        AudioError: a clip cannot be read; names it.
        UserError: a caption in a language that the model does not know.
    """
    clips = _by_bytes(items.locations)

    def embed_some_clips(places: List[int]) -> Iterator[np.ndarray]:
        return embed_clips(
            teacher.model,
            [items.locations[clips[place]] for place in places],
            device=teacher.device,
            clips_per_batch=clips_per_batch,
            num_workers=num_workers,
        )

    def embed_some_captions(captions: Sequence[Caption], places: List[int]) -> Iterator[np.ndarray]:
        for start in range(0, len(places), _CAPTIONS_AT_ONCE):
            chosen = [captions[place] for place in places[start : start + _CAPTIONS_AT_ONCE]]
            yield embed_captions(
                teacher.model,
                [(caption.text, caption.lang) for caption in chosen],
                normalize=teacher.normalize,
                device=teacher.device,
                show_progress=False,
            )

    # long clips first: too little memory shows at once, and batches have little padding
    samples = [-int(items.samples.get(clip, 0)) for clip in clips]
    tables = {"clips": (clips, samples, embed_some_clips, clips_per_batch)}
    for name, captions in items.captions.items():
        keys = _by_bytes(captions)
        sorted_captions = [captions[key] for key in keys]
        characters = [len(caption.text) for caption in sorted_captions]
        embed = functools.partial(embed_some_captions, sorted_captions)
        tables[name] = (keys, characters, embed, _CAPTIONS_AT_ONCE)
    with torch.no_grad(), settings_of_evaluation():
        for name, identity in identities.items():
            keys, lengths, embed, at_once = tables[name]
            table = SharedTable(
                folder=Path(out) / name,
                identity=identity,
                keys=keys,
                size=teacher.model.embed_size,
                order=sorted(range(len(keys)), key=lengths.__getitem__),
                embed=embed,
                label=name,
                at_once=at_once,
            )
            if shard is None:
                table.make()
            else:
                table.make_share(shard)


def _by_bytes(keys: Iterable[str]) -> List[str]:
    return sorted(keys, key=lambda key: key.encode("utf-8"))
