"""What is embedded of a training set, and hashes that tell whether it, or the model, has changed."""

import hashlib
import json
from pathlib import Path
from typing import Dict, List, Mapping, Optional, Sequence, Union

from espnet_mlclap.fileio.data_dir import Caption, DataDir, read_captions
from espnet_mlclap.utils.errors import UserError

CAPTION_TABLES = ("captions", "translations", "paraphrases")  # originals first
_READ_WHOLE = 64 << 20  # bytes; larger files are told apart by size and time, as the recipes do


class TrainingItems:
    """What is embedded of a training set, in memory without audio.

    Args:
        data_dir: the formatted set.
        le_data_dir: its translations, or None.
        paraphrase_data_dir: its paraphrases, or None.

    Attributes:
        locations: of the clips by id.
        samples: lengths of the clips by id, where they are known.
        captions: by the name of their table (`CAPTION_TABLES`) and id; without further captions no table.
            Each is a table of its own, so that trainings with and without translations share what they
            have in common.
    """

    def __init__(
        self,
        data_dir: Union[str, Path],
        le_data_dir: Optional[Union[str, Path]] = None,
        paraphrase_data_dir: Optional[Union[str, Path]] = None,
    ):
        data = DataDir.read(data_dir)
        self.locations = data.wav_scp
        self.samples: Dict[str, str] = data.extra.get("utt2num_samples", {})
        self.captions: Dict[str, Dict[str, Caption]] = {CAPTION_TABLES[0]: dict(data.captions)}
        for table, folder in zip(CAPTION_TABLES[1:], (le_data_dir, paraphrase_data_dir)):
            if folder is None:
                continue
            further = {
                key: caption
                for key, caption in read_captions(folder).items()
                if caption.clip in data.wav_scp
            }
            if further:
                self.captions[table] = further

    def identities(self, model: str) -> Dict[str, str]:
        """Identity of each table of vectors that a model, by `model_identity`, makes of the set."""
        identities = {"clips": _hash([model, self._clips_identity()])}
        for table, captions in self.captions.items():
            identities[table] = _hash([model, _captions_identity(captions)])
        return identities

    def _clips_identity(self) -> str:
        """Hash of the clips: ids, places, lengths, and of their files size and time."""
        files: Dict[str, List[int]] = {}
        for location in self.locations.values():
            archive = location.rpartition(":")[0]
            path = location if not archive or Path(location).exists() else archive
            if path not in files:
                files[path] = _stat(Path(path))
        return _hash(
            [sorted(self.locations.items()), sorted(self.samples.items()), sorted(files.items())]
        )


def _captions_identity(captions: Mapping[str, Caption]) -> str:
    """Hash of the captions with their languages."""
    return _hash(sorted((key, one.text, one.lang) for key, one in captions.items()))


def model_identity(files: Sequence[Union[str, Path]]) -> str:
    """Hash of a model's files.

    Raises:
        UserError: one is missing.
    """
    found = []
    for path in map(Path, files):
        if not path.is_file():
            raise UserError(f"{path}: no such file. Give a trained experiment or a packed model.")
        small = path.stat().st_size <= _READ_WHOLE
        found.append(hashlib.sha256(path.read_bytes()).hexdigest() if small else _stat(path))
    return _hash(found)


def _stat(path: Path) -> List[int]:
    try:
        status = path.stat()
    except OSError:
        return []  # reading it will say so
    return [status.st_size, status.st_mtime_ns]


def _hash(content: object) -> str:
    return hashlib.sha256(json.dumps(content).encode("utf-8", "surrogatepass")).hexdigest()
