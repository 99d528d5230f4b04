"""Write formatted clips: FLAC files, FLAC in a Kaldi archive, or log-mel features in one."""

import functools
from pathlib import Path
from typing import Union

import numpy as np

from espnet_mlclap.fileio.audio import SAMPLING_RATE

AUDIO_FORMATS = ("flac", "flac.ark", "log_mel.ark")


class _FlacFiles:
    """One FLAC file a clip."""

    def __init__(self, folder: Path):
        self.folder = folder

    def __enter__(self):
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def write(self, clip: str, samples: np.ndarray) -> str:
        """Store `samples` ([samples] int16); returns where, relative to the folder."""
        import soundfile

        name = f"{clip.replace('/', '%2F')}.flac"
        soundfile.write(self.folder / name, samples, SAMPLING_RATE)
        return name


class _Archive:
    """All clips in one Kaldi archive: FLAC, or log-mel features in dB [frames, 64] float32."""

    def __init__(self, folder: Path, log_mel: bool):
        self.file = open(folder / "audio.ark", "wb")  # noqa: SIM115 closed by __exit__
        self.log_mel = log_mel

    def __enter__(self):
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()

    def write(self, clip: str, samples: np.ndarray) -> str:
        """Store `samples` ([samples] int16); returns archive and offset, relative to the folder."""
        import kaldiio

        offset = self.file.tell() + len(f"{clip} ".encode())  # where the value of this key begins
        if self.log_mel:
            kaldiio.save_ark(self.file, {clip: _log_mel(samples)})
        else:
            kaldiio.save_ark(
                self.file,
                {clip: (SAMPLING_RATE, samples)},
                write_function="soundfile",
                write_kwargs={"format": "flac"},
            )
        return f"audio.ark:{offset}"


def audio_writer(audio_format: str, folder: Path) -> Union[_FlacFiles, _Archive]:
    """What writes clips into `folder`, as a context; `audio_format` is one of `AUDIO_FORMATS`."""
    if audio_format == "flac":
        return _FlacFiles(folder)
    return _Archive(folder, log_mel=audio_format == "log_mel.ark")


@functools.lru_cache(maxsize=1)
def _front_end():
    import torch

    from espnet_mlclap.models.audio_encoder.mel import LogMel

    torch.set_num_threads(1)
    return LogMel()


def _log_mel(samples: np.ndarray) -> np.ndarray:
    import torch

    audio = torch.from_numpy(samples.astype(np.float32) / 32768.0)
    with torch.no_grad():
        return _front_end()(audio[None], torch.tensor([len(audio)]))[0].numpy()
