"""Find audio files by their names without extension, below a folder."""

import os
import unicodedata
from pathlib import Path
from typing import Dict, Iterable, Iterator, Optional, Union

from espnet_mlclap.utils.errors import UserError

_EXTENSIONS = frozenset(".wav .flac .mp3 .ogg .opus .m4a .webm .mp4 .aac".split())


def audio_files(folder: Union[str, Path]) -> Iterator[str]:
    """Paths of the audio files in `folder` and all folders in it, in a fixed order."""
    for parent, folders, files in os.walk(folder, followlinks=True):
        folders.sort()
        for name in sorted(files):
            if os.path.splitext(name)[1].lower() in _EXTENSIONS:
                yield os.path.join(parent, name)


class AudioIndex:
    """The audio files below a folder, by stem.

    Unicode forms are unified (macOS writes accents apart) and white space around a stem is left
    out. Of files with the same stem the first in the order of their paths counts.
    """

    def __init__(self, folder: Union[str, Path]):
        """Look through `folder` and all folders in it.

        Raises:
            UserError: no such folder, or no audio file in it.
        """
        self.folder = Path(folder)
        if not self.folder.is_dir():
            raise UserError(f"{self.folder}: no such folder of audio files.")
        self._paths: Dict[str, str] = {}
        for path in audio_files(self.folder):
            self._paths.setdefault(_normal(Path(path).stem), path)
        if not self._paths:
            raise UserError(f"{self.folder}: there is no audio file in it.")

    def find(self, stems: Iterable[str]) -> Optional[str]:
        """Path of the first of `stems` that is there; None if none is."""
        for stem in stems:
            path = self._paths.get(_normal(stem))
            if path is not None:
                return path
        return None


def split_folder(audio_dir: Union[str, Path], names: Iterable[str]) -> Path:
    """The first of the folders `names` that `audio_dir` has, or `audio_dir` itself."""
    for name in names:
        if (Path(audio_dir) / name).is_dir():
            return Path(audio_dir) / name
    return Path(audio_dir)


def _normal(stem: str) -> str:
    return unicodedata.normalize("NFC", stem).strip()
