"""A data directory in columns, opened by memory map: the form in which a training reads clips and captions.

The files of text are what people and other programs read. For millions of captions they take minutes and
gigabytes, in every process of a training. So stage 3 makes, once, a folder `columns` beside them:

    about.json         version; size and time of each file of text; the languages in their order
    caption_ids.npy    [n] bytes, sorted
    caption_clips.npy  [n] int32    row of the caption's clip in clip_ids
    caption_langs.npy  [n] int16    its language
    caption_words.npy  [n] int64    `hash63` of its language and words
    text.npy, text_ends.npy         the captions
    sources.npy        [n] bytes    `utt2source`: the caption it was made from; empty where that is not known
    clip_ids.npy       [c] bytes, sorted
    clip_starts.npy    [c + 1] int64, and clip_rows.npy [n] int32: the captions of each clip
    locations.npy, location_ends.npy    `wav.scp`; not of translations, which have no clips of their own
    lengths.npy        [c] float64  `utt2num_samples`

Where a file of text is not what it was when they were made, the columns are out of date: nobody reads them.
"""

import json
import logging
from pathlib import Path
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence, Set, Tuple, Union

import numpy as np

from espnet_mlclap.fileio.columns import Texts, find_id, id_array
from espnet_mlclap.fileio.data_dir import (
    Caption,
    DataDir,
    read_caption_sources,
    read_captions,
    read_table,
)
from espnet_mlclap.fileio.set_columns import (
    captions_of_clips,
    of_captions,
    of_locations,
    of_samples,
)
from espnet_mlclap.fileio.set_stream import OutOfStep, stream_columns
from espnet_mlclap.utils.atomic import atomic_dir
from espnet_mlclap.utils.errors import UserError
from espnet_mlclap.utils.reading import read_json

FOLDER = "columns"
_VERSION = 1
_FILES = ("text", "utt2clip", "utt2lang", "utt2source", "wav.scp", "utt2num_samples")


class SetTable:
    """Captions, and clips where they are formatted, of one data directory.

    It can be sent to other processes; where it is on disk they open the files for themselves.

    Attributes:
        langs: FLORES-200 codes, as `caption_langs` counts them.
        arrays: the columns by name.
        texts: the captions.
    """

    def __init__(
        self,
        langs: Sequence[str],
        arrays: Mapping[str, np.ndarray],
        folder: Optional[Path] = None,
    ):
        self.langs = list(langs)
        self.arrays = dict(arrays)
        self.texts = Texts(arrays["text"], arrays["text_ends"])
        self._folder = folder

    @classmethod
    def of(
        cls,
        captions: Mapping[str, Caption],
        sources: Optional[Mapping[str, str]] = None,
        *,
        wav_scp: Optional[Mapping[str, str]] = None,
        samples: Optional[Mapping[str, str]] = None,
    ) -> "SetTable":
        """Put what was read from files of text into columns.

        Args:
            captions: by id.
            sources: id of the original by id of the translation, where it is known.
            wav_scp, samples: location and length of each clip, of a formatted set.
        """
        keys = sorted(captions)
        langs = sorted({caption.lang for caption in captions.values()})
        number_of_lang = {lang: number for number, lang in enumerate(langs)}
        clips = sorted(wav_scp or {caption.clip for caption in captions.values()})
        row_of_clip = {clip: row for row, clip in enumerate(clips)}
        arrays = of_captions(
            keys,
            *zip(*(captions[key] for key in keys)),
            row_of_clip=row_of_clip,
            number_of_lang=number_of_lang,
        )
        arrays["clip_ids"] = id_array(clips)
        arrays.update(captions_of_clips(arrays["caption_clips"], len(clips)))
        if sources:
            arrays["sources"] = id_array(sources.get(key, "") for key in keys)
        if wav_scp:
            arrays.update(of_locations([wav_scp[clip] for clip in clips]))
        if samples:
            arrays.update(of_samples([samples[clip] for clip in clips]))
        return cls(langs, arrays)

    @property
    def caption_ids(self) -> np.ndarray:
        """[n] bytes, sorted."""
        return self.arrays["caption_ids"]

    @property
    def clip_ids(self) -> np.ndarray:
        """[c] bytes, sorted."""
        return self.arrays["clip_ids"]

    def caption(self, row: int) -> Caption:
        """One caption."""
        clip = self.clip_ids[self.arrays["caption_clips"][row]].decode("utf-8")
        return Caption(self.texts[row], clip, self.langs[self.arrays["caption_langs"][row]])

    def source(self, row: int) -> str:
        """Id of the caption that one was made from; its own id where nothing is known."""
        sources = self.arrays.get("sources")
        known = b"" if sources is None else sources[row]
        return (known or self.caption_ids[row]).decode("utf-8")

    def rows_of_clip(self, clip: str) -> np.ndarray:
        """Rows of the captions of a clip."""
        row = find_id(self.clip_ids, clip)
        if row < 0:
            return np.zeros(0, dtype=np.int32)
        starts = self.arrays["clip_starts"]
        return self.arrays["clip_rows"][starts[row] : starts[row + 1]]

    def location(self, clip: str) -> Optional[str]:
        """Where the audio of a clip is; None where the set has no such clip."""
        row = find_id(self.clip_ids, clip) if "locations" in self.arrays else -1
        if row < 0:
            return None
        return Texts(self.arrays["locations"], self.arrays["location_ends"])[row]

    def locations(self) -> Iterator[Tuple[str, str]]:
        """The clips of a formatted set with where their audio is."""
        places = Texts(self.arrays["locations"], self.arrays["location_ends"])
        return zip((clip.decode("utf-8") for clip in self.clip_ids), places)

    def __getstate__(self) -> Dict[str, Any]:
        if self._folder is None:
            return self.__dict__
        return {"langs": self.langs, "_folder": self._folder}

    def __setstate__(self, state: Dict[str, Any]) -> None:
        if state["_folder"] is not None:
            state = SetTable(state["langs"], _load(state["_folder"]), state["_folder"]).__dict__
        self.__dict__.update(state)


def read_set_table(path: Union[str, Path], *, formatted: bool) -> SetTable:
    """Open the columns of a data directory, or put its files of text into columns in memory.

    Args:
        path: the directory.
        formatted: a formatted set, not only captions.

    Raises:
        UserError: there are no columns, and the files of text are missing or broken.
    """
    path = Path(path)
    table = _open(path)
    if table is not None and (not formatted or "lengths" in table.arrays):
        return table
    return _read_text(path, formatted)


def read_languages(path: Union[str, Path]) -> Set[str]:
    """The languages of the captions of a data directory, without the captions.

    Raises:
        UserError: `utt2lang` is missing or broken.
    """
    table = _open(Path(path))
    return set(read_table(Path(path) / "utt2lang").values()) if table is None else set(table.langs)


def make_set_table(path: Union[str, Path]) -> bool:
    """Make the columns of a data directory, where they are missing or out of date.

    Returns:
        Whether there was something to do.

    Raises:
        UserError: its files are missing or broken, or it cannot be written to.
    """
    path = Path(path)
    if _open(path) is not None:
        return False
    files = _files(path)  # before they are read: what changes meanwhile is not in the columns
    formatted = "utt2num_samples" in files
    with atomic_dir(path / FOLDER) as folder:
        try:
            langs = stream_columns(path, folder, formatted=formatted)
        except OutOfStep:  # all at once works in any order, and says what is wrong
            table = _read_text(path, formatted=formatted)
            for left in folder.glob("*.npy"):
                left.unlink()
            for name, array in table.arrays.items():
                np.save(folder / f"{name}.npy", array)
            langs = table.langs
        about = {"version": _VERSION, "files": files, "langs": langs}
        (folder / "about.json").write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
    return True


def _read_text(path: Path, formatted: bool) -> SetTable:
    if not formatted:
        captions = read_captions(path)
        return SetTable.of(captions, read_caption_sources(path, captions))
    data = DataDir.read(path)
    if "utt2num_samples" not in data.extra:
        raise UserError(f"{path}/utt2num_samples is missing. Run stage 3 (formatting).")
    samples = data.extra["utt2num_samples"]
    return SetTable.of(data.captions, data.caption_sources, wav_scp=data.wav_scp, samples=samples)


def _open(path: Path) -> Optional[SetTable]:
    """The table on disk, where there is one that is complete and up to date."""
    folder = path / FOLDER
    if not folder.is_dir():
        return None
    try:
        about = read_json(folder / "about.json")
        if about["version"] == _VERSION and about["files"] == _files(path):
            return SetTable(about["langs"], _load(folder), folder.resolve())
    except (UserError, KeyError, TypeError) as error:
        logging.warning("%s: broken (%s); the files of text are read instead", folder, error)
        return None
    logging.warning(
        "%s: out of date; the files of text are read instead. Stage 3 makes it again.", folder
    )
    return None


def _load(folder: Path) -> Dict[str, np.ndarray]:
    try:
        paths = sorted(folder.glob("*.npy"))
        maps = {path.stem: np.load(path, mmap_mode="r", allow_pickle=False) for path in paths}
        # plain arrays over the maps: looking at one value of np.memmap takes several times as long
        return {name: np.asarray(one) for name, one in maps.items()}
    except (OSError, ValueError, EOFError) as error:
        raise UserError(f"{folder}: cannot be read ({error}). Remove it.") from error


def _files(path: Path) -> Dict[str, List[int]]:
    """Size and time of the files of text that are there."""
    found: List[Tuple[str, Path]] = [(name, path / name) for name in _FILES]
    return {
        name: [status.st_size, status.st_mtime_ns]
        for name, status in ((name, file.stat()) for name, file in found if file.exists())
    }
