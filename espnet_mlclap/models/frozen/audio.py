"""Audio encoder `frozen`: vectors of clips by any encoder, computed once and read from disk afterwards."""

import hashlib
from pathlib import Path
from typing import Any, Iterable, List, Optional, Sequence

import numpy as np

from espnet_mlclap.fileio.audio import SAMPLING_RATE, AudioError, Waveform, load_samples, to_mono
from espnet_mlclap.fileio.clip_reader import ClipReader
from espnet_mlclap.models.audio_encoder.abs_audio_encoder import AbsAudioEncoder
from espnet_mlclap.models.frozen.encoder import CachedVectors
from espnet_mlclap.models.frozen.part import FrozenPart
from espnet_mlclap.models.frozen.store import VectorStore

_PROBE_SECONDS = 1.0  # of noise, to find out how wide the vectors are


class ClipVectors(ClipReader):
    """Takes the reader's place: a clip becomes its vector, as one token of width D, or its tokens.

    Args:
        vectors: the encoder and its store.
        rate: Hz of the waveforms that the encoder needs.
    """

    croppable = False
    by_waveform = False  # the store knows clips by their files

    def __init__(self, vectors: CachedVectors, rate: int):
        self._vectors = vectors
        self._rate = rate

    def __call__(self, location: str) -> np.ndarray:
        return self.many([location])[0]

    def prepare(self, locations: Iterable[str]) -> None:
        self._vectors.prepare(locations, self._keys, self._read_and_encoded, "clips")

    def many(self, locations: Sequence[str]) -> List[np.ndarray]:
        """[tokens, D] float32 for each clip; what is missing is read and encoded in batches.

        Raises:
            AudioError: a clip that is missing in the store cannot be read.
        """
        return self._vectors(locations, self._keys, self._read_and_encoded, "clips")

    def of_waveform(self, waveform: Waveform) -> np.ndarray:
        def encoded(waveforms: List[Waveform]) -> Sequence[np.ndarray]:
            return self._vectors.encode([to_mono(one, self._rate) for one in waveforms])

        return self._vectors([waveform], _keys_of_waveforms, encoded, "clips")[0]

    def _read_and_encoded(self, locations: Sequence[str]) -> Sequence[np.ndarray]:
        return self._vectors.encode([load_samples(one, self._rate) for one in locations])

    def _keys(self, locations: Sequence[str]) -> List[bytes]:
        """Hashes of what the clips hold; without a store, of their places, which is enough within a call."""
        store = self._vectors.store
        if store is None:
            return [hashlib.sha256(location.encode("utf-8")).digest() for location in locations]
        return keys_of_clips(store, locations)


def _keys_of_waveforms(waveforms: Sequence[Waveform]) -> List[bytes]:
    keys = []
    for waveform in waveforms:
        digest = hashlib.sha256(f"{waveform.rate} {waveform.samples.shape}".encode())
        digest.update(np.ascontiguousarray(waveform.samples, dtype="<f4").tobytes())
        keys.append(digest.digest())
    return keys


def keys_of_clips(store: VectorStore, locations: Sequence[str]) -> List[bytes]:
    """Hashes of what clips hold: of a file's content, or of an archive's with the place in it.

    Raises:
        AudioError: a file cannot be read.
    """
    keys = []
    for location in locations:
        archive, _, offset = location.rpartition(":")
        entry = bool(archive) and offset.isdigit() and not Path(location).exists()
        try:
            (key,) = store.keys_of_files([archive if entry else location])
        except OSError as error:
            raise AudioError(f"{location}: cannot be read ({error.strerror}).") from error
        if entry:
            key = hashlib.sha256(key + offset.encode()).digest()
        keys.append(key)
    return keys


class FrozenAudioEncoder(FrozenPart, AbsAudioEncoder):
    """Vectors of clips by an encoder that is not trained: one token per clip, or its tokens.

    The encoder gets the clips as they are in the formatted set. Where it needs more than 16 kHz, format with
    `--audio_format original`, which leaves the recordings as they are.

    Args:
        sampling_rate: Hz of the waveforms that the encoder needs, where it does not say so itself.
        frozen: the arguments of `FrozenPart`.

    Raises:
        UserError: the encoder cannot be loaded, or is of another version.
    """

    where = "audio_encoder_conf of frozen"

    def __init__(self, *, sampling_rate: Optional[int] = None, **frozen: Any):
        super().__init__(**frozen)
        rate = sampling_rate or self.encoder.sampling_rate or SAMPLING_RATE
        noise = np.random.default_rng(0).standard_normal(round(_PROBE_SECONDS * rate))
        probe = [0.1 * noise.astype(np.float32)]
        self._reader = ClipVectors(self._cached([probe], kind="audio", sampling_rate=rate), rate)
        self._conf["sampling_rate"] = sampling_rate

    @property
    def reader(self) -> ClipReader:
        return self._reader
