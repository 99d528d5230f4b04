"""The columns of a data directory from its files of text, which are read side by side, some lines at a time.

That is possible where every file is in the order of its keys, as this package writes them. Memory is that of
the ids of the clips, and of some numbers for each caption.
"""

from contextlib import ExitStack, contextmanager
from itertools import islice, zip_longest
from operator import lt
from pathlib import Path
from typing import IO, Callable, Dict, Iterator, List, Optional, Tuple

import numpy as np

from espnet_mlclap.fileio.columns import id_array
from espnet_mlclap.fileio.data_dir import CLIP_TABLES, check_feats_type
from espnet_mlclap.fileio.set_columns import (
    captions_of_clips,
    of_captions,
    of_locations,
    of_samples,
)
from espnet_mlclap.utils.languages import SONAR_LANGUAGES

_LINES = 1 << 13  # of each file at a time
Block = Tuple[List[str], List[str]]  # keys and values
Add = Callable[[Dict[str, np.ndarray]], None]


class OutOfStep(Exception):
    """The files cannot be read side by side: they are in another order, or something is wrong with them."""


def stream_columns(path: Path, folder: Path, *, formatted: bool) -> List[str]:
    """Write the columns of a data directory.

    Args:
        path: the directory.
        folder: an empty one, which gets a file for each column.
        formatted: a formatted set, not only captions.

    Returns:
        The languages, as the columns count them.

    Raises:
        OutOfStep: see there; in `folder` is what was written until then.
        UserError: a value of a clip that is none.
    """
    with _columns(folder) as add:
        clips = _clips(path, add) if formatted else _owners(path)
        row_of_clip = {clip: row for row, clip in enumerate(clips)}
        add({"clip_ids": id_array(clips)})
        langs, id_size = _langs(path)
        of_caption: List[np.ndarray] = []
        sources = _Sources(path / "utt2source")
        for keys, texts, owners, of_text in _side_by_side(path):
            try:
                block = of_captions(
                    keys,
                    texts,
                    owners,
                    of_text,
                    row_of_clip=row_of_clip,
                    number_of_lang={lang: number for number, lang in enumerate(langs)},
                )
            except KeyError as error:
                raise OutOfStep from error
            of_caption.append(block["caption_clips"])
            block["caption_ids"] = block["caption_ids"].astype(f"S{id_size}")
            add({**block, **sources.of(keys)})
        sources.check_end()
        index = captions_of_clips(np.concatenate(of_caption), len(clips))
        if formatted and not np.diff(index["clip_starts"]).all():
            raise OutOfStep  # a clip without a caption
        add(index)
    return langs


class _Column:
    """A column that grows in a file; `np.save` of the whole would write the same."""

    def __init__(self, file: IO[bytes], dtype: np.dtype, *, ends: bool):
        self._file = file
        self._dtype = dtype
        self._length = 0
        self._offset: Optional[int] = 0 if ends else None
        self.write_header()

    def add(self, values: np.ndarray) -> None:
        """Put a block behind what is there; where texts end goes on counting."""
        if self._offset is not None:
            values = values + self._offset
            self._offset = int(values[-1])
        self._file.write(values.data)
        self._length += len(values)

    def write_header(self) -> None:
        """At the start of the file: numpy leaves room in a header for a length that grows."""
        header = {
            "descr": np.lib.format.dtype_to_descr(self._dtype),
            "fortran_order": False,
            "shape": (self._length,),
        }
        self._file.seek(0)
        np.lib.format.write_array_header_1_0(self._file, header)


@contextmanager
def _columns(folder: Path) -> Iterator[Add]:
    """Give a function that puts a block of columns behind what is in the files of a folder."""
    with ExitStack() as stack:
        columns: Dict[str, _Column] = {}

        def add(block: Dict[str, np.ndarray]) -> None:
            for name, values in block.items():
                if name not in columns:
                    file = stack.enter_context(open(folder / f"{name}.npy", "wb"))
                    columns[name] = _Column(file, values.dtype, ends=name.endswith("_ends"))
                columns[name].add(values)

        yield add
        for column in columns.values():
            column.write_header()


def _blocks(path: Path) -> Iterator[Block]:
    """Keys and values of a file, as `read_table` reads them.

    Raises:
        OutOfStep: `read_table` would raise an error, or the keys are not in order.
    """
    last = ""
    values_of: Callable[[str], str] = str.strip
    if path.name == "wav.scp":  # a name may end with a blank
        values_of = _without_line_end
    try:
        with open(path, encoding="utf-8", newline="\n") as file:
            while lines := list(islice(file, _LINES)):
                whole = "".join(lines)
                if "\0" in whole or "\r\n" in whole or whole.endswith("\r"):
                    raise OutOfStep
                parts = [line.partition(" ") for line in lines]
                keys = [key for key, _, _ in parts]
                values = [values_of(value) for _, _, value in parts]
                if not (last < keys[0] and all(map(lt, keys, islice(keys, 1, None)))):
                    raise OutOfStep
                if not all(values):
                    raise OutOfStep
                last = keys[-1]
                yield keys, values
    except (OSError, UnicodeDecodeError) as error:
        raise OutOfStep from error
    if not last:
        raise OutOfStep


def _without_line_end(value: str) -> str:
    return value.removesuffix("\n").lstrip()


def _side_by_side(path: Path) -> Iterator[Tuple[List[str], List[str], List[str], List[str]]]:
    """Keys, words, clips and languages of the captions."""
    files = [_blocks(path / name) for name in ("text", "utt2clip", "utt2lang")]
    for blocks in zip_longest(*files, fillvalue=([], [])):
        keys = [keys for keys, _ in blocks]
        if not keys[0] == keys[1] == keys[2]:
            raise OutOfStep
        yield (keys[0], *(values for _, values in blocks))


def _langs(path: Path) -> Tuple[List[str], int]:
    """The languages in their order, and the bytes of the longest id of a caption."""
    langs, size = set(), 0
    for keys, values in _blocks(path / "utt2lang"):
        langs.update(values)
        size = max(size, id_array(keys).dtype.itemsize)
    if not langs <= set(SONAR_LANGUAGES):
        raise OutOfStep
    return sorted(langs), size


def _owners(path: Path) -> List[str]:
    """The clips that have captions."""
    clips = set()
    for _, values in _blocks(path / "utt2clip"):
        clips.update(values)
    return sorted(clips)


def _clips(path: Path, add: Add) -> List[str]:
    """The clips of a formatted set, whose columns are written; all its files are checked."""
    clips: List[str] = []
    for keys, values in _blocks(path / "wav.scp"):
        clips += keys
        add(of_locations(values))
    for name, check in CLIP_TABLES.items():
        if not (path / name).exists():
            continue
        row = 0
        for keys, values in _blocks(path / name):
            if keys != clips[row : row + len(keys)]:
                raise OutOfStep
            for line, value in enumerate(values, row + 1):
                check(value, path / name, line)
            if name == "utt2num_samples":
                add(of_samples(values))
            row += len(keys)
        if row != len(clips):
            raise OutOfStep
    if (path / "clip2source").exists():
        known = set(clips)
        for keys, _ in _blocks(path / "clip2source"):
            if not known.issuperset(keys):
                raise OutOfStep
    if (path / "feats_type").exists():
        check_feats_type(path / "feats_type")
    return clips


class _Sources:
    """`utt2source`, which some captions are in, next to all captions."""

    def __init__(self, path: Path):
        self._there = path.exists()
        self._size = 1
        self._waiting: Dict[str, str] = {}
        self._blocks: Iterator[Block] = iter(())
        if self._there:
            for _, values in _blocks(path):
                self._size = max(self._size, id_array(values).dtype.itemsize)
            self._blocks = _blocks(path)

    def of(self, keys: List[str]) -> Dict[str, np.ndarray]:
        """The column of captions that follow on those before; nothing where there is no such file."""
        if not self._there:
            return {}
        while not self._waiting or next(reversed(self._waiting)) < keys[-1]:
            block = next(self._blocks, None)
            if block is None:
                break
            self._waiting.update(zip(*block))
        sources = [self._waiting.pop(key, "") for key in keys]
        return {"sources": id_array(sources).astype(f"S{self._size}")}

    def check_end(self) -> None:
        """Make sure that every caption that was named was there."""
        if self._waiting or next(self._blocks, None) is not None:
            raise OutOfStep
