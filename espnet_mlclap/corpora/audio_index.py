"""Find audio files by their names without extension, below a folder."""

import logging
import unicodedata
from pathlib import Path
from typing import Dict, Iterable, Optional, Union

from espnet_mlclap.fileio.recordings import find_recordings
from espnet_mlclap.utils.errors import UserError
from espnet_mlclap.utils.shown import shown


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
        recordings = find_recordings(self.folder, each_once=False)  # a clip may go by a link's name
        for note in recordings.notes():
            logging.info("%s: %s", self.folder, note)
        for path in recordings.files:
            if shown(path) == path:
                self._paths.setdefault(_normal(Path(path).stem), path)
            else:
                logging.warning(
                    "passed over, since a data directory cannot name it: %s", shown(path)
                )
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
