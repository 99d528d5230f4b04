"""Tokens of frozen towers on disk: while co-attention is trained, each clip and caption is encoded once.

The stores are those of frozen encoders (`models/frozen/store.py`), one per tower, named by what the tower
computes: another checkpoint has stores of its own. Tokens are kept in float16; of CED-Base 390 kB for 10 s.
"""

import fcntl
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, Iterator, List, Mapping, Sequence, Tuple, Union

import numpy as np
import torch

from espnet_mlclap.fileio.clip_reader import ClipReader
from espnet_mlclap.models.embed_captions import caption_batches
from espnet_mlclap.models.fingerprint import fingerprint
from espnet_mlclap.models.frozen.audio import keys_of_clips
from espnet_mlclap.models.frozen.store import VectorStore
from espnet_mlclap.models.frozen.text import key_of_caption
from espnet_mlclap.models.padding import pad
from espnet_mlclap.models.reranker.pair_model import CoAttentionModel
from espnet_mlclap.models.text_encoder.abs_text_encoder import Tokenizer
from espnet_mlclap.models.tokens import Tokens
from espnet_mlclap.utils.atomic import make_dir
from espnet_mlclap.utils.errors import UserError
from espnet_mlclap.utils.progress import progress_bar

_CLIPS_AT_ONCE = 16
_CAPTIONS_AT_ONCE = 1024  # looked up and put together; batches are smaller


@dataclass(frozen=True)
class TokenStores:
    """The stores of both towers of a model.

    Attributes:
        audio, text: tokens by what clips hold, and by captions and their languages.
    """

    audio: VectorStore
    text: VectorStore

    @classmethod
    def open(cls, folder: Union[str, Path], towers: Mapping[str, Tuple[str, int]]) -> "TokenStores":
        """Open the stores of towers, given what `describe_towers` says of them."""
        return cls(
            **{
                side: VectorStore(
                    folder,
                    description={"kind": f"tokens of {side}", "tower": name},
                    size=size,
                    dtype="float16",
                    several=True,
                )
                for side, (name, size) in towers.items()
            }
        )


def describe_towers(model: CoAttentionModel) -> Dict[str, Tuple[str, int]]:
    """Name and width of the tokens of each tower."""
    encoders = {"audio": model.audio_encoder, "text": model.text_encoder}
    return {
        side: (fingerprint(encoder), encoder.output_size()) for side, encoder in encoders.items()
    }


class StoredClips(ClipReader):
    """Takes the reader's place: gives the tokens of a clip, [t, D] float32.

    Args:
        store: in which they are.
    """

    croppable = False
    by_waveform = False

    def __init__(self, store: VectorStore):
        self._store = store

    def __call__(self, location: str) -> np.ndarray:
        (key,) = keys_of_clips(self._store, [location])
        return _found(self._store, key, location)


class StoredCaptions(Tokenizer):
    """Takes the tokenizer's place: gives the tokens of a caption, [t, D] float32.

    Args:
        store: in which they are.
    """

    pad_id = 0

    def __init__(self, store: VectorStore):
        self._store = store

    def __call__(self, caption: str, lang: str) -> np.ndarray:
        return _found(self._store, key_of_caption(caption, lang), caption)


def _found(store: VectorStore, key: bytes, what: str) -> np.ndarray:
    found = store.get([key])
    if key not in found:
        raise UserError(
            f"{store.path}: has no tokens of {what!r}, which has changed since they were made."
        )
    return found[key]


def fill_stores(
    model: CoAttentionModel,
    stores: TokenStores,
    *,
    locations: Sequence[str],
    captions: Sequence[Tuple[str, str]],
    device: Union[str, torch.device] = "cpu",
) -> None:
    """Add the tokens of clips and captions that are not there; what was done before a kill is.

    Of several processes one does it and the others wait.

    Args:
        model: with frozen towers; on the CPU afterwards as before.
        stores: of its towers.
        locations: of the clips.
        captions: (caption as it is tokenised, FLORES-200 code).
        device: where to compute.
    """
    with _alone(stores.audio.path.parent), torch.no_grad():
        wanted = {key_of_caption(*caption): caption for caption in captions}
        missing_captions = _missing(stores.text, list(wanted))
        keys = dict(zip(keys_of_clips(stores.audio, locations), locations))
        missing_clips = _missing(stores.audio, list(keys))
        if not missing_captions and not missing_clips:
            return
        training = model.training
        model.to(device).eval()
        _add_clips(model, stores.audio, {key: keys[key] for key in missing_clips}, device)
        _add_captions(model, stores.text, {key: wanted[key] for key in missing_captions}, device)
        model.to("cpu").train(training)


def _missing(store: VectorStore, keys: Sequence[bytes]) -> List[bytes]:
    there = store.keys()
    return [key for key in keys if key not in there]


def _add_clips(
    model: CoAttentionModel,
    store: VectorStore,
    locations: Mapping[bytes, str],
    device: Union[str, torch.device],
) -> None:
    reader = model.audio_encoder.reader
    keys = list(locations)
    with progress_bar("encoding clips once", len(keys), "clips") as bar:
        for start in range(0, len(keys), _CLIPS_AT_ONCE):
            some = keys[start : start + _CLIPS_AT_ONCE]
            audio, lengths = pad(reader.many([locations[key] for key in some]), 0.0)
            store.put(_arrays(some, model.audio_tokens(audio.to(device), lengths.to(device))))
            bar.update(len(some))


def _add_captions(
    model: CoAttentionModel,
    store: VectorStore,
    captions: Mapping[bytes, Tuple[str, str]],
    device: Union[str, torch.device],
) -> None:
    keys = list(captions)
    with progress_bar("encoding captions once", len(keys), "captions") as bar:
        for start in range(0, len(keys), _CAPTIONS_AT_ONCE):
            some = keys[start : start + _CAPTIONS_AT_ONCE]
            for rows, text, lengths in caption_batches(model, [captions[key] for key in some]):
                tokens = model.text_tokens(text.to(device), lengths.to(device))
                store.put(_arrays([some[row] for row in rows], tokens))
            bar.update(len(some))


def _arrays(keys: Sequence[bytes], tokens: Tokens) -> Dict[bytes, np.ndarray]:
    return {key: tokens.real(row).float().cpu().numpy() for row, key in enumerate(keys)}


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the lock of a folder, on this and other machines that see it."""
    with open(make_dir(folder) / ".lock", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
