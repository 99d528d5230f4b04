"""What frozen towers make of a training set, on disk: each clip and caption is encoded once.

    both towers of co-attention   the tokens of clips and captions, in float16; of CED-Base 390 kB for 10 s
    a frozen text encoder         a vector of each caption, after its pooling, in float32: 4 kB of SONAR

The stores are those of frozen encoders (`models/frozen/store.py`), one per tower, named by what the tower
computes: another checkpoint, another setting of an encoder or its tokenizer, another `amp_dtype` has stores
of its own.
"""

import fcntl
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Dict, Iterable, Iterator, Mapping, NamedTuple, Sequence, Tuple, Union

import numpy as np
import torch

from espnet_mlclap.fileio.clip_reader import ClipReader
from espnet_mlclap.models.embed_captions import caption_batches
from espnet_mlclap.models.fingerprint import fingerprint
from espnet_mlclap.models.frozen.audio import keys_of_clips
from espnet_mlclap.models.frozen.store import VectorStore
from espnet_mlclap.models.frozen.text import key_of_caption
from espnet_mlclap.models.padding import padded_batches
from espnet_mlclap.models.reranker.pair_model import CoAttentionModel
from espnet_mlclap.models.text_encoder.abs_text_encoder import Tokenizer
from espnet_mlclap.models.tokens import Tokens
from espnet_mlclap.models.two_tower import TwoTowerModel
from espnet_mlclap.utils.atomic import make_dir
from espnet_mlclap.utils.errors import UserError
from espnet_mlclap.utils.progress import progress_bar

_CLIPS_AT_ONCE = 16
_CAPTIONS_AT_ONCE = 4096  # looked up and put together; batches are smaller


class Kept(NamedTuple):
    """What is kept of a tower; plain values, since a configuration holds it.

    Attributes:
        tower: what it computes: its fingerprint, the type that it computes in, and its settings.
        size: width of its tokens, or vectors.
        tokens: tokens, or one vector.
    """

    tower: str
    size: int
    tokens: bool

    def with_settings(self, settings: str) -> "Kept":
        """The same of a tower with settings that its weights do not show (`models/exported.py`)."""
        return self._replace(tower=f"{self.tower} {settings}")


def tokens_of_towers(model: CoAttentionModel) -> Dict[str, Kept]:
    """What is kept of both towers of co-attention, by side."""
    encoders = {"audio": model.audio_encoder, "text": model.text_encoder}
    return {
        side: Kept(_computes(encoder, model), encoder.output_size(), True)
        for side, encoder in encoders.items()
    }


def vectors_of_captions(model: TwoTowerModel) -> Dict[str, Kept]:
    """What is kept of the frozen text encoder of a two-tower model, by side.

    Raises:
        UserError: the text encoder, or its pooling, is trained, or drops out.
    """
    if not model.freeze_text_encoder:
        raise UserError(
            "token_store: keeps what a frozen text encoder makes of captions. Leave it out, or set "
            "model_conf: {freeze_text_encoder: true} (freeze_param alone leaves dropout on)."
        )
    if any(weight.requires_grad for weight in model.text_pooling.parameters()):
        raise UserError(
            f"token_store: text_pooling: {type(model.text_pooling).__name__} has weights that are trained. "
            "Add freeze_param: [text_pooling], or leave token_store out."
        )
    parts = torch.nn.ModuleList([model.text_encoder, model.text_pooling])
    return {"text": Kept(_computes(parts, model), model.text_pooling.output_size(), False)}


def _computes(part: torch.nn.Module, model: TwoTowerModel) -> str:
    return f"{fingerprint(part)} {model.amp_dtype or 'float32'}"


def open_stores(
    folder: Union[str, Path], kept: Mapping[str, Tuple[str, int, bool]]
) -> Dict[str, VectorStore]:
    """The stores of what is `Kept`, by side."""
    stores = {}
    for side, (tower, size, tokens) in kept.items():
        kind = f"{'tokens' if tokens else 'vectors'} of {side}"
        stores[side] = VectorStore(
            folder,
            description={"kind": kind, "tower": tower},
            size=size,
            dtype="float16" if tokens else "float32",
            several=tokens,
        )
    return stores


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
    """Takes the tokenizer's place: gives the tokens of a caption, [t, D] float32, or its vector, [1, D].

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
            f"{store.path}: has nothing of {what!r}, which has changed since it was made."
        )
    return found[key].reshape(-1, store.size)


def fill_stores(
    model: TwoTowerModel,
    stores: Mapping[str, VectorStore],
    *,
    locations: Sequence[str],
    captions: Iterable[Tuple[str, str]],
    number: int,
    device: Union[str, torch.device] = "cpu",
) -> None:
    """Add what is not there of clips and captions; what was done before a kill is.

    Of several processes one does it and the others wait.

    Args:
        model: with frozen towers; on the CPU afterwards as before.
        stores: of its towers, by side.
        locations: of the clips.
        captions: (caption as it is tokenised, FLORES-200 code).
        number: of the captions.
        device: where to compute.
    """
    with _alone(stores["text"].path.parent), torch.no_grad():
        training = model.training
        model.to(device).eval()
        if "audio" in stores:
            _add_clips(model, stores["audio"], locations, device)
        with progress_bar("encoding captions once", number, "captions") as bar:
            remaining = iter(captions)
            while some := list(islice(remaining, _CAPTIONS_AT_ONCE)):
                _add_captions(model, stores["text"], some, device)
                bar.update(len(some))
        model.to("cpu").train(training)


def _add_clips(
    model: TwoTowerModel,
    store: VectorStore,
    locations: Sequence[str],
    device: Union[str, torch.device],
) -> None:
    reader = model.audio_encoder.reader
    wanted = dict(zip(keys_of_clips(store, locations), locations))
    keys = store.missing(list(wanted))
    with progress_bar("encoding clips once", len(keys), "clips") as bar:
        for start in range(0, len(keys), _CLIPS_AT_ONCE):
            some = keys[start : start + _CLIPS_AT_ONCE]
            clips = reader.many([wanted[key] for key in some])
            for places, audio, lengths in padded_batches(clips, len(clips)):
                tokens = model.audio_tokens(audio.to(device), lengths.to(device))
                store.put(_arrays([some[place] for place in places], tokens))
                bar.update(len(places))


def _add_captions(
    model: TwoTowerModel,
    store: VectorStore,
    captions: Sequence[Tuple[str, str]],
    device: Union[str, torch.device],
) -> None:
    wanted = {key_of_caption(*caption): caption for caption in captions}
    keys = store.missing(list(wanted))
    for rows, text, lengths in caption_batches(model, [wanted[key] for key in keys]):
        tokens = model.text_tokens(text.to(device), lengths.to(device))
        chosen = [keys[row] for row in rows]
        if store.several:
            store.put(_arrays(chosen, tokens))
        else:
            store.put(dict(zip(chosen, model.pool_text(tokens).cpu().numpy())))


def _arrays(keys: Sequence[bytes], tokens: Tokens) -> Dict[bytes, np.ndarray]:
    return {key: tokens.real(row).float().cpu().numpy() for row, key in enumerate(keys)}


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the lock of a folder, on this and other machines that see it."""
    with open(make_dir(folder) / ".lock", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
