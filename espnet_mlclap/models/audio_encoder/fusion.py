"""Audio encoder `fusion`: several encoders side by side, their vectors one after the other.

    audio_encoder: fusion
    audio_encoder_conf:
        encoders:
        -   {audio_encoder: frozen, audio_encoder_conf: {encoder: "local.aisfx:AiSFX"}}
        -   {audio_encoder: ced, audio_encoder_conf: {size: tiny}}

Each encoder may need its clips in a form of its own: samples at 16 kHz, or a vector from a store. A clip
therefore comes as one row of numbers that holds all of its forms (`ClipForms`); here they are taken apart.
"""

from itertools import islice
from pathlib import Path
from typing import Any, Dict, Iterable, List, Mapping, Sequence, Tuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from espnet_mlclap.fileio.audio import Waveform
from espnet_mlclap.fileio.clip_reader import ClipReader
from espnet_mlclap.models.audio_encoder.abs_audio_encoder import AbsAudioEncoder
from espnet_mlclap.models.padding import pad
from espnet_mlclap.models.tokens import Tokens
from espnet_mlclap.utils.config import check_keys
from espnet_mlclap.utils.errors import UserError

_WHERE = "audio_encoder_conf of fusion"
_KEYS = ("audio_encoder", "audio_encoder_conf")
_BASE = 1 << 20  # lengths are stored as two digits to this base: float32 holds each exactly
_HEADER = 3  # numbers that describe a form: length in two digits, width (0: it has one dimension)


class ClipForms(ClipReader):
    """Gives a clip in the forms that several encoders need, as one row.

    The row begins with three numbers for each form, its shape; then come the forms, flattened.

    Args:
        readers: of the encoders.
    """

    croppable = False

    def __init__(self, readers: Sequence[ClipReader]):
        self.readers = list(readers)
        self.by_waveform = all(reader.by_waveform for reader in self.readers)

    def __call__(self, location: str) -> np.ndarray:
        return join([reader(location) for reader in self.readers])

    def of_waveform(self, waveform: Waveform) -> np.ndarray:
        return join([reader.of_waveform(waveform) for reader in self.readers])

    def prepare(self, locations: Iterable[str]) -> None:
        for reader in self.readers:
            reader.prepare(locations)


def join(forms: Sequence[np.ndarray]) -> np.ndarray:
    """Forms of a clip, each [length] or [length, width] float32, as one row [numbers] float32."""
    header: List[int] = []
    for form in forms:
        header += [*divmod(len(form), _BASE), 0 if form.ndim == 1 else form.shape[1]]
    return np.concatenate([np.array(header, np.float32), *(form.ravel() for form in forms)])


def split(row: np.ndarray, count: int) -> List[np.ndarray]:
    """The forms of a row that `join` made of `count` forms; what comes after them is padding."""
    header = row[: count * _HEADER].astype(np.int64).reshape(count, _HEADER)
    start = count * _HEADER
    forms = []
    for high, low, width in header:
        length = int(high * _BASE + low)
        size = length * max(1, int(width))
        form = row[start : start + size]
        forms.append(form if width == 0 else form.reshape(length, int(width)))
        start += size
    return forms


class FusionAudioEncoder(AbsAudioEncoder):
    """Several audio encoders; a clip's vector is the concatenation of theirs, each of length 1.

    Each encoder's tokens are pooled by their mean, so that there is one token per clip.

    Args:
        encoders: `audio_encoder` and `audio_encoder_conf` of each, as in a configuration.

    Raises:
        UserError: fewer than two encoders, or one that cannot be built.
    """

    gives_tokens = False

    def __init__(self, *, encoders: Sequence[Mapping[str, Any]]):
        super().__init__()
        # the registry names this module
        from espnet_mlclap.models.registry import audio_encoders, build_part

        if not isinstance(encoders, (list, tuple)) or len(encoders) < 2:
            raise UserError(f"{_WHERE}: encoders: give a list of two or more")
        parts = []
        for number, settings in enumerate(encoders, 1):
            where = f"{_WHERE}: encoders: number {number}"
            if not isinstance(settings, Mapping):
                raise UserError(f"{where}: must be a mapping with {' and '.join(_KEYS)}")
            check_keys(settings, _KEYS, where, required=_KEYS[:1])
            conf = settings.get("audio_encoder_conf") or {}
            parts.append(build_part(audio_encoders, settings["audio_encoder"], conf))
        self.encoders = torch.nn.ModuleList(parts)
        self._settings = [dict(settings) for settings in encoders]

    @property
    def reader(self) -> ClipReader:
        return ClipForms([encoder.reader for encoder in self.encoders])

    def output_size(self) -> int:
        return sum(encoder.output_size() for encoder in self.encoders)

    def forward(self, audio: Tensor, audio_lengths: Tensor) -> Tokens:
        """See `AbsAudioEncoder.forward`.

        Args:
            audio: [clips, numbers] float32, rows of `ClipForms`, padded.
            audio_lengths: [clips]; the rows say themselves how long they are.
        """
        forms = self._forms(audio)
        return _side_by_side([encoder(*own) for encoder, own in zip(self.encoders, forms)])

    @property
    def clip_tensors(self) -> int:
        return sum(encoder.clip_tensors for encoder in self.encoders)

    def across_clips(self, audio: Tensor, audio_lengths: Tensor) -> Tuple[Tensor, ...]:
        """Those of the encoders, one after the other."""
        own = [
            encoder.across_clips(*form) for encoder, form in zip(self.encoders, self._forms(audio))
        ]
        return tuple(tensor for tensors in own for tensor in tensors)

    def of_each_clip(self, *clips: Tensor) -> Tokens:
        rest = iter(clips)
        own = [list(islice(rest, encoder.clip_tensors)) for encoder in self.encoders]
        return _side_by_side(
            [encoder.of_each_clip(*some) for encoder, some in zip(self.encoders, own)]
        )

    def _forms(self, audio: Tensor) -> List[Tuple[Tensor, Tensor]]:
        """The clips and their lengths as each encoder takes them."""
        rows = audio.detach().cpu().numpy()
        forms = [pad(own, 0.0) for own in zip(*(split(row, len(self.encoders)) for row in rows))]
        return [(clips.to(audio.device), lengths.to(audio.device)) for clips, lengths in forms]

    def export(self, folder: Path) -> Dict[str, Any]:
        exported = []
        for number, (encoder, settings) in enumerate(zip(self.encoders, self._settings), 1):
            # encoders of one class would write the same files: each has a folder
            own = Path("audio_encoder", str(number)) if encoder.exported_paths else Path()
            conf = encoder.export(folder / own) or settings.get("audio_encoder_conf") or {}
            for key in encoder.exported_paths:
                conf = {**conf, key: (own / conf[key]).as_posix()}
            exported.append(
                {"audio_encoder": settings["audio_encoder"], "audio_encoder_conf": conf}
            )
        return {"encoders": exported}


def _side_by_side(parts: Sequence[Tokens]) -> Tokens:
    vectors = [normalize(tokens.mean(), dim=-1) for tokens in parts]
    return Tokens(torch.cat(vectors, dim=1).unsqueeze(1))
