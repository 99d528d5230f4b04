"""The recordings of a folder as vectors, in one file that is brought up to date with the folder.

The index is a `.npz` file: `paths` [N] (relative to the folder), `stamps` [N, 2] (size in bytes, time of
change in ns), `audio` [N, E] float32 unit vectors, and `model`, which names the weights that they are from.
A recording that has changed, or is new, is embedded again; one that was removed is dropped.
"""

import logging
import os
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Dict, List, Optional, Sequence, Tuple, Union

import numpy as np

from espnet_mlclap.fileio.audio import AudioError
from espnet_mlclap.fileio.recordings import find_recordings
from espnet_mlclap.utils.atomic import atomic_open, make_dir
from espnet_mlclap.utils.errors import UserError
from espnet_mlclap.utils.progress import progress_bar

Encode = Callable[[Sequence[str]], np.ndarray]  # paths -> [paths, E] unit vectors
_Stamp = Tuple[int, int]
_SAVE_EVERY = 60.0  # seconds of work that a kill may cost


@dataclass(frozen=True)
class ClipIndex:
    """Recordings and their vectors.

    Attributes:
        paths: of the recordings, relative to the folder [N].
        audio: unit vectors, float32 [N, E].
        bad: what is wrong with each recording that was left out.
    """

    paths: List[str]
    audio: np.ndarray
    bad: List[str]

    def search(self, query: np.ndarray, top: int) -> List[Tuple[float, str]]:
        """The most similar recordings.

        Args:
            query: unit vector [E].
            top: how many.

        Returns:
            (cosine similarity, path), the best first.
        """
        similarity = self.audio @ query
        best = np.argsort(-similarity, kind="stable")[:top]
        return [(float(similarity[row]), self.paths[row]) for row in best]


def update_index(
    path: Union[str, Path],
    folder: Union[str, Path],
    encode: Encode,
    *,
    model: str,
    skip_bad_audio: bool = False,
    batch_size: int = 16,
) -> ClipIndex:
    """Bring the index of a folder up to date.

    Args:
        path: the index; made if it is not there. It is saved every minute, so that a killed run resumes.
        folder: of the recordings, including subfolders.
        encode: gives the vectors of recordings.
        model: what names the weights; vectors of other weights are not used.
        skip_bad_audio: leave out what cannot be read.
        batch_size: recordings that are encoded together.

    Raises:
        AudioError: a recording cannot be read (without `skip_bad_audio`); what was done is kept.
        UserError: no recording in the folder, or a broken index.
    """
    path, folder = Path(path), Path(folder)
    if path.is_dir():
        raise UserError(f"{path}: is a folder. The index is a file; give its name.")
    recordings = find_recordings(folder)
    for note in recordings.notes():
        logging.info("%s: %s", folder, note)
    make_dir(path.parent)  # says now, not after the work, where nothing can be written
    stamps = {os.path.relpath(found, folder): _stamp(found) for found in recordings.files}
    if not stamps:
        raise UserError(f"{folder}: there is no audio file in it.")
    rows = {
        name: row for name, (stamp, row) in _read(path, model).items() if stamps.get(name) == stamp
    }
    wanted, bad = [name for name in stamps if name not in rows], []
    logging.info("%s: %d recordings, %d to be embedded", folder, len(stamps), len(wanted))
    saved = time.monotonic()
    try:
        with progress_bar(f"embedding {folder.name}", len(wanted), "recordings") as bar:
            for start in range(0, len(wanted), batch_size):
                names = wanted[start : start + batch_size]
                rows.update(_encode(encode, folder, names, bad if skip_bad_audio else None))
                bar.update(len(names))
                if time.monotonic() > saved + _SAVE_EVERY:
                    _write(path, model, stamps, rows)
                    saved = time.monotonic()
    finally:
        if rows and wanted:
            _write(path, model, stamps, rows)
    if not rows:
        raise UserError(f"{folder}: none of its {len(stamps)} recordings can be read: {bad[0]}")
    names = [name for name in stamps if name in rows]
    return ClipIndex(names, np.stack([rows[name] for name in names]), bad)


def _encode(
    encode: Encode, folder: Path, names: Sequence[str], bad: Optional[List[str]]
) -> Dict[str, np.ndarray]:
    """Vectors by name. With a list `bad`, recordings that cannot be read are noted there and left out."""
    if not names:
        return {}
    try:
        return dict(zip(names, encode([str(folder / name) for name in names])))
    except AudioError as error:
        gone = [name for name in names if not os.path.lexists(folder / name)]
        if gone:  # removed since the folder was looked through
            return _encode(encode, folder, [name for name in names if name not in gone], bad)
        if bad is None:
            raise AudioError(
                f"{error} Fix or remove it, or skip such recordings with --skip_bad_audio true."
            ) from error
        if len(names) == 1:
            bad.append(str(error))
            return {}
    rows: Dict[str, np.ndarray] = {}
    for name in names:
        rows.update(_encode(encode, folder, [name], bad))
    return rows


def _stamp(path: str) -> _Stamp:
    try:
        status = os.stat(path)
    except OSError:  # a link to nowhere: what is wrong is said when it is read
        return -1, -1
    return status.st_size, status.st_mtime_ns


def _read(path: Path, model: str) -> Dict[str, Tuple[_Stamp, np.ndarray]]:
    if not path.exists():
        return {}
    try:
        with np.load(path, allow_pickle=False) as file:
            if str(file["model"]) != model:
                logging.info("%s: from another model, built again", path)
                return {}
            stamps = [(int(size), int(changed)) for size, changed in file["stamps"]]
            entries = zip(stamps, file["audio"])
            return dict(zip(file["paths"].tolist(), entries))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise UserError(f"{path}: not an index of recordings ({error}). Delete it.") from error


def _write(path: Path, model: str, stamps: Dict[str, _Stamp], rows: Dict[str, np.ndarray]) -> None:
    with atomic_open(path, "wb") as file:
        np.savez(
            file,
            paths=np.array(list(rows)),
            stamps=np.array([stamps[name] for name in rows], dtype=np.int64),
            audio=np.stack(list(rows.values())),
            model=np.array(model),
        )
