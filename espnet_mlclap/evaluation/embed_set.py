"""Embed a formatted set: each clip once, each caption once.

Stage 6 and the validation while training call this one function, so that the same weights give the same
vectors to the last bit (on the same kind of device, with the same number of threads): order and
composition of the batches depend on the set alone, and the settings of torch that a training may change
are those of evaluation while it runs.
"""

import contextlib
from pathlib import Path
from typing import Any, Callable, Dict, Iterable, Iterator, List, Optional, Sequence, Tuple, Union

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from espnet_mlclap.evaluation.embeddings import EmbeddingSet
from espnet_mlclap.fileio.clip_reader import ClipReader
from espnet_mlclap.fileio.data_dir import DataDir
from espnet_mlclap.models.embed_captions import embed_captions
from espnet_mlclap.models.finite import check_clips
from espnet_mlclap.models.padding import MOST_PADDED, pad, padded_batches
from espnet_mlclap.models.two_tower import TwoTowerModel
from espnet_mlclap.objectives.gather import sum_over_ranks, this_rank, world_size
from espnet_mlclap.utils.batches import batches_by_length, consecutive
from espnet_mlclap.utils.progress import progress_bar
from espnet_mlclap.utils.shard import Shard

CLIPS_PER_BATCH = 16


def embed_set(
    model: TwoTowerModel,
    data: DataDir,
    *,
    path: Union[str, Path] = "",
    normalize: Optional[Callable[[str, str], str]] = None,
    device: Union[str, torch.device] = "cpu",
    clips_per_batch: int = CLIPS_PER_BATCH,
    num_workers: int = 0,
    over_ranks: bool = False,
    shard: Optional[Shard] = None,
) -> EmbeddingSet:
    """Embed all clips and captions of a set.

    Args:
        model: on `device`; is put into evaluation mode, and back into that in which it was.
        data: a formatted set.
        path: what messages about the embeddings will name.
        normalize: what was applied to captions while training.
        device: where to compute.
        clips_per_batch: clips that are encoded together. Another number may change the last bits.
        num_workers: processes that read clips; changes nothing but time.
        over_ranks: each rank of a training embeds its share of the batches, and gets the others'. All must
            call this with the same weights.
        shard: embed only this share of the batches; without it, one that is put together from shares has the
            same vectors.

    Returns:
        The vectors, clips and captions sorted by the bytes of their ids; with `shard`, the rows of the other
        shares are 0.

    Raises:
        AudioError: a clip cannot be read, or the model makes NaN of it.
        UserError: a caption in a language that the text encoder does not know.
    """
    device = torch.device(device)
    with evaluating(model):
        clips = sorted_ids(data.wav_scp)
        rank, ranks = (this_rank(), world_size()) if over_ranks else shard or (0, 1)
        audio = _embed_clips(model, data, clips, device, clips_per_batch, num_workers, rank, ranks)
        captions = sorted_ids(data.captions)
        text = embed_captions(
            model,
            [(data.captions[key].text, data.captions[key].lang) for key in captions],
            normalize=normalize,
            device=device,
            rank=rank,
            ranks=ranks,
        )
    if over_ranks:
        audio, text = sum_over_ranks(audio, device), sum_over_ranks(text, device)
    return embedding_set(data, path, audio, text)


def embedding_set(
    data: DataDir, path: Union[str, Path], audio: np.ndarray, text: np.ndarray
) -> EmbeddingSet:
    """Vectors of the clips and captions of a set, both in the order of `sorted_ids`."""
    clips, captions = sorted_ids(data.wav_scp), sorted_ids(data.captions)
    row_of = {clip: row for row, clip in enumerate(clips)}
    return EmbeddingSet(
        path=Path(path),
        audio=audio,
        clips=clips,
        text=text,
        captions=captions,
        caption_to_clip=np.array([row_of[data.captions[key].clip] for key in captions]),
        langs=[data.captions[key].lang for key in captions],
        caption_sources=data.caption_sources,
    )


def sorted_ids(ids: Iterable[str]) -> List[str]:
    """Ids sorted by their bytes: the order of rows."""
    return sorted(ids, key=lambda key: key.encode("utf-8"))


@contextlib.contextmanager
def evaluating(model: TwoTowerModel) -> Iterator[None]:
    """A model in evaluation mode, without gradients and with the arithmetic of evaluation."""
    training = model.training
    model.eval()
    try:
        with torch.no_grad(), settings_of_evaluation():
            yield
    finally:
        model.train(training)


@contextlib.contextmanager
def settings_of_evaluation() -> Iterator[None]:
    """Arithmetic that does not depend on a training's options (--cudnn_benchmark, --use_tf32 ...)."""
    matmul = torch.backends.cuda.matmul
    before = matmul.allow_tf32
    matmul.allow_tf32 = False
    try:
        with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True):
            yield
    finally:
        matmul.allow_tf32 = before


class _Clips(Dataset):
    """The audio of clips, in the order given."""

    def __init__(self, locations: Sequence[str], reader: ClipReader):
        self.locations = list(locations)
        self.reader = reader

    def __len__(self) -> int:
        return len(self.locations)

    def __getitem__(self, row: int) -> np.ndarray:
        return self.reader(self.locations[row])


def clip_batches(
    model: TwoTowerModel,
    data: DataDir,
    clips: Sequence[str],
    clips_per_batch: int,
    num_workers: int,
    rank: int = 0,
    ranks: int = 1,
) -> Iterator[Tuple[List[int], Tensor, Tensor]]:
    """Clips of a set in batches as the model's encoder takes them, with their places in `clips`.

    Long clips come first: too little memory shows at once, and batches have little padding.
    """
    samples: Dict[str, str] = data.extra.get("utt2num_samples", {})
    lengths = [int(samples.get(clip, 0)) for clip in clips]
    batches = batches_by_length(lengths, clips_per_batch, MOST_PADDED)[rank::ranks]
    locations = [data.wav_scp[clips[row]] for batch in batches for row in batch]
    loader = _loader(model, locations, consecutive(batches), num_workers, _pad_audio)
    for rows, (audio, lengths_of_batch) in zip(batches, loader):
        yield rows, audio, lengths_of_batch


def _embed_clips(
    model: TwoTowerModel,
    data: DataDir,
    clips: Sequence[str],
    device: torch.device,
    clips_per_batch: int,
    num_workers: int,
    rank: int,
    ranks: int,
) -> np.ndarray:
    """[clips, E], 0 in the rows of the other ranks."""
    vectors = np.zeros((len(clips), model.embed_size), dtype=np.float32)
    with progress_bar("embedding clips", len(clips), "clips") as bar:
        batches = clip_batches(model, data, clips, clips_per_batch, num_workers, rank, ranks)
        for rows, audio, lengths in batches:
            embedded = model.encode_audio(audio.to(device), lengths.to(device))
            vectors[rows] = embedded.cpu().numpy()
            check_clips(vectors[rows], [clips[row] for row in rows])
            bar.update(len(rows))
    return vectors


def embed_clips(
    model: TwoTowerModel,
    locations: Sequence[str],
    *,
    device: torch.device,
    clips_per_batch: int = CLIPS_PER_BATCH,
    num_workers: int = 0,
) -> Iterator[np.ndarray]:
    """Vectors of clips, part after part: [clips, E] float32; to be called without gradients.

    Clips that are too long to be padded to each other are encoded one after the other.

    Args:
        model: on `device`, in evaluation mode.
        locations: files, or entries `archive.ark:offset`, in the order in which they are wanted.
        device, clips_per_batch, num_workers: as in `embed_set`.

    Raises:
        AudioError: a clip cannot be read, or the model makes NaN of it.
    """
    parts = _equal(len(locations), clips_per_batch)
    for part, batches in zip(parts, _loader(model, locations, parts, num_workers, _cut_audio)):
        vectors = np.empty((len(part), model.embed_size), dtype=np.float32)
        for rows, audio, lengths in batches:
            vectors[rows] = model.encode_audio(audio.to(device), lengths.to(device)).cpu().numpy()
        check_clips(vectors, [locations[place] for place in part])
        yield vectors


def _loader(
    model: TwoTowerModel,
    locations: Sequence[str],
    batches: Sequence[range],
    num_workers: int,
    collate: Callable[[List[np.ndarray]], Any],
) -> DataLoader:
    reader: ClipReader = model.audio_encoder.reader
    reader.prepare(locations)
    return DataLoader(
        _Clips(locations, reader),
        batch_sampler=batches,
        num_workers=num_workers,
        collate_fn=collate,
    )


def _equal(clips: int, size: int) -> List[range]:
    return [range(start, min(start + size, clips)) for start in range(0, clips, size)]


def _pad_audio(clips: List[np.ndarray]):
    return pad(clips, 0.0)


def _cut_audio(clips: List[np.ndarray]) -> List[Tuple[List[int], Tensor, Tensor]]:
    return list(padded_batches(clips, len(clips)))
