"""Write formatted clips: FLAC files, FLAC in an archive or a shard, log-mel features, or nothing at all."""

import io
import json
import os
from pathlib import Path
from typing import Any, Callable, Mapping, Optional, Union

import numpy as np

from espnet_mlclap.fileio.audio import SAMPLING_RATE
from espnet_mlclap.fileio.checksums import write_checksums
from espnet_mlclap.fileio.shards import AUDIO
from espnet_mlclap.fileio.tar_members import add_member, end_tar, member_key

AUDIO_FORMATS = ("flac", "flac.ark", "log_mel.ark", "shards", "original")
LogMel = Callable[
    [np.ndarray], np.ndarray
]  # of [samples] in -1 ... 1 the dB values [frames, 64], float32


class _FlacFiles:
    """One FLAC file per clip."""

    def __init__(self, folder: Path):
        self.folder = folder

    def __enter__(self):
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def write(self, clip: str, samples: np.ndarray, source: str, about: Mapping[str, Any]) -> str:
        """Store `samples` ([samples] int16) of the file `source`; returns where, relative to the folder.

        What is known `about` a clip is kept by shards alone.
        """
        name = f"{clip.replace('/', '%2F')}.flac"
        (self.folder / name).write_bytes(_flac(samples))
        return name


def _flac(samples: np.ndarray) -> memoryview:
    """A FLAC file in memory: a full disk is an OSError when it is written, which libsndfile would hide."""
    import soundfile

    encoded = io.BytesIO()
    soundfile.write(encoded, samples, SAMPLING_RATE, format="FLAC")
    return encoded.getbuffer()


class _Originals:
    """The recordings as they are, read and counted but not copied: for encoders that need their full rate."""

    def __enter__(self):
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def write(self, clip: str, samples: np.ndarray, source: str, about: Mapping[str, Any]) -> str:
        """Where the clip already is, as an absolute path."""
        return os.path.abspath(source)


class _Archive:
    """All clips in one Kaldi archive: FLAC, or log-mel features in dB [frames, 64] float32."""

    def __init__(self, folder: Path, log_mel: Optional[LogMel]):
        self.file = open(folder / "audio.ark", "wb")  # noqa: SIM115 closed by __exit__
        self.log_mel = log_mel

    def __enter__(self):
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()

    def write(self, clip: str, samples: np.ndarray, source: str, about: Mapping[str, Any]) -> str:
        """Store `samples` ([samples] int16); returns archive and offset, relative to the folder."""
        import kaldiio

        offset = self.file.tell() + len(f"{clip} ".encode())  # where the value of this key begins
        if self.log_mel is not None:
            features = self.log_mel(samples.astype(np.float32) / 32768.0)
            kaldiio.save_ark(self.file, {clip: features})
        else:
            kaldiio.save_ark(
                self.file,
                {clip: (SAMPLING_RATE, samples)},
                write_function="soundfile",
                write_kwargs={"format": "flac"},
            )
        return f"audio.ark:{offset}"


class _Shard:
    """All clips in one tar file, each as FLAC and what is known about it as JSON; its checksum beside it."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.file = open(folder / AUDIO, "wb")  # noqa: SIM115 closed by __exit__

    def __enter__(self):
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        with self.file:
            if kind is None:
                end_tar(self.file)
        if kind is None:
            write_checksums(self.folder)

    def write(self, clip: str, samples: np.ndarray, source: str, about: Mapping[str, Any]) -> str:
        """Store `samples` ([samples] int16) and `about`; returns where, relative to the folder."""
        facts = {
            "clip": clip,
            "duration": round(len(samples) / SAMPLING_RATE, 4),
            "num_samples": len(samples),
            "sampling_rate": SAMPLING_RATE,
            **about,
        }
        key = member_key(clip)
        offset = add_member(self.file, f"{key}.flac", _flac(samples))
        add_member(self.file, f"{key}.json", json.dumps(facts, ensure_ascii=False).encode("utf-8"))
        return f"{AUDIO}:{offset}"


def audio_writer(
    audio_format: str, folder: Path, log_mel: Optional[LogMel]
) -> Union[_FlacFiles, _Originals, _Archive, _Shard]:
    """A context manager that writes clips into `folder`.

    Args:
        audio_format: one of `AUDIO_FORMATS`.
        folder: an empty folder.
        log_mel: computes the features of "log_mel.ark"; not used for the others.

    Raises:
        ValueError: "log_mel.ark" without `log_mel`.
    """
    if audio_format == "flac":
        return _FlacFiles(folder)
    if audio_format == "original":
        return _Originals()
    if audio_format == "shards":
        return _Shard(folder)
    if audio_format == "flac.ark":
        return _Archive(folder, None)
    if log_mel is None:
        raise ValueError(f"{audio_format} needs log_mel, which computes the features")
    return _Archive(folder, log_mel)
