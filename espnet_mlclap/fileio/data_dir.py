"""Kaldi-style data directories of clips and captions: read, check, write.

    wav.scp   clip id      path of the audio (or archive:offset, .ark or .tar)
    clip2dur  clip id      seconds
    text      caption id   the caption
    utt2clip  caption id   clip id
    utt2lang  caption id   FLORES-200 code
    clip2label   clip id   class of the clip, for zero-shot classification (optional)
    utt2source   caption id   the caption that a translation was made from, or that says the same in the
                              source language (optional, for some of the captions)
    clip2source  clip id   recording that the clip is from, such as youtube:7fmOlUlwoNg (optional, for
                           some of the clips): clips of two corpora may be the same recording

and of a formatted set

    utt2num_samples, clip2md5   clip id   samples at 16 kHz; MD5 of them
    feats_type   a word for the whole set: raw or log_mel

All files are UTF-8, one `key value` per line, sorted by the bytes of the key. A directory of
translations has only `text`, `utt2clip` and `utt2lang`.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable, Dict, List, Mapping, NamedTuple, Union

from espnet_mlclap.utils.atomic import atomic_dir, atomic_open
from espnet_mlclap.utils.errors import UserError
from espnet_mlclap.utils.languages import SONAR_LANGUAGES, check_language
from espnet_mlclap.utils.reading import read_bytes, read_text
from espnet_mlclap.utils.shown import shown

#: What a formatted set can hold, by its file `feats_type`: samples, or features.
FEATS_TYPES = ("raw", "log_mel")
_MOST_DIGITS = 18  # of a number of samples
_MD5 = re.compile("[0-9a-f]{32}")


class Caption(NamedTuple):
    """One caption of one clip."""

    text: str
    clip: str
    lang: str


def caption_id(clip: str, lang: str, number: int) -> str:
    """Id of the caption `number` (from 1) in `lang` of `clip`: `<clip id>-<lang>-<n>`."""
    return f"{clip}-{lang}-{number}"


def read_table(path: Union[str, Path]) -> Dict[str, str]:
    """Read a file of `key value` lines.

    Returns:
        The values by key, in the order of the file.

    Raises:
        UserError: missing, not UTF-8, Windows line ends, no value, a key twice; names the line.
    """
    path = Path(path)
    data = read_bytes(path)
    table: Dict[str, str] = {}
    lines = data.split(b"\n")
    if lines[-1] == b"":
        lines.pop()
    strip = str.lstrip if path.name == "wav.scp" else str.strip  # a name may end with a blank
    for number, line in enumerate(lines, 1):
        try:
            text = line.decode("utf-8")
        except UnicodeDecodeError as error:
            raise UserError(
                f"{path}:{number}: not UTF-8 (byte {error.start + 1} of the line). Convert the file to UTF-8."
            ) from error
        key, _, value = text.partition(" ")
        value = strip(value)
        if not key or not value or key in table or "\0" in text or text[-1] == "\r":
            raise UserError(f"{path}:{number}: {_problem(text, key, value)}")
        table[key] = value
    if not table:
        raise UserError(f"{path}: the file is empty.")
    return table


def _problem(line: str, key: str, value: str) -> str:
    """What is wrong with a line of `key value`, and what to do."""
    if "\0" in line:
        return "a byte of value 0 in it. Write the file as plain text."
    if line.endswith("\r"):
        return "Windows line end (CRLF). Convert the file to LF line ends."
    if not key:
        return "the line has no key. Each line is `key value`."
    if not value.strip():
        return f"{key!r} has no value. Each line is `key value`."
    return f"{key!r} appears twice in this file. Keep one of them."


def write_table(path: Union[str, Path], table: Mapping[str, object]) -> None:
    """Write `key value` lines sorted by the bytes of the key, atomically.

    Raises:
        UserError: a key with white space, or a value with a line break or nothing in it.
    """
    with atomic_open(path) as file:
        for key in sorted(table, key=lambda key: key.encode("utf-8")):
            value = str(table[key])
            if not key or any(character.isspace() for character in key):
                raise UserError(f"{path}: the id {key!r} is empty or has white space in it.")
            if not value.strip() or len(value.splitlines()) != 1:
                raise UserError(
                    f"{path}: the value of {key!r} is empty or has a line break in it: {shown(value)!r}"
                )
            file.write(f"{key} {value}\n")


@dataclass
class DataDir:
    """Clips and captions of one set, in memory.

    Attributes:
        wav_scp: audio by clip id; empty for a directory of translations.
        durations: seconds by clip id.
        captions: captions by caption id.
        labels: class by clip id; empty where there are none.
        sources: recording by clip id, for the clips of which it is known.
        caption_sources: caption id of the original by that of its translation, where it is known.
        extra: further tables by file name (`utt2num_samples` of a formatted set).
    """

    wav_scp: Dict[str, str] = field(default_factory=dict)
    durations: Dict[str, float] = field(default_factory=dict)
    captions: Dict[str, Caption] = field(default_factory=dict)
    labels: Dict[str, str] = field(default_factory=dict)
    sources: Dict[str, str] = field(default_factory=dict)
    caption_sources: Dict[str, str] = field(default_factory=dict)
    extra: Dict[str, Dict[str, str]] = field(default_factory=dict)

    @property
    def languages(self) -> List[str]:
        """Languages of the captions, sorted."""
        return sorted({caption.lang for caption in self.captions.values()})

    def add(self, other: "DataDir", where: Union[str, Path]) -> None:
        """Add the clips and captions of `other`, which was read from `where`.

        Raises:
            UserError: a clip or caption id is in both.
        """
        for mine, theirs, name in (
            (self.wav_scp, other.wav_scp, "wav.scp"),
            (self.captions, other.captions, "text"),
        ):
            for key in theirs:
                if key in mine:
                    raise UserError(
                        f"{Path(where) / name}: {key!r} is also in another set. Ids of sets "
                        "that are put together must differ."
                    )
            mine.update(theirs)  # type: ignore[arg-type]
        self.durations.update(other.durations)
        self.labels.update(other.labels)
        self.sources.update(other.sources)
        self.caption_sources.update(other.caption_sources)

    @classmethod
    def read(cls, path: Union[str, Path]) -> "DataDir":
        """Read and check the directory `path`.

        Raises:
            UserError: a file is broken, or the files do not fit each other (a caption without a clip,
                a clip without a caption, an unknown language, a clip without a duration ...).
        """
        path = Path(path)
        if not path.is_dir():
            raise UserError(f"{path}: no such data directory. Run the stages before this one.")
        data = cls(captions=read_captions(path))
        data.caption_sources = read_caption_sources(path, data.captions)
        if (path / "wav.scp").exists():
            data.wav_scp = read_table(path / "wav.scp")
            for caption in data.captions.values():
                if caption.clip not in data.wav_scp:
                    line = _line_of_value(path / "utt2clip", caption.clip)
                    raise UserError(
                        f"{line}: the clip {caption.clip!r} is not in {path / 'wav.scp'}. "
                        "Add its audio or remove its captions."
                    )
            captioned = {caption.clip for caption in data.captions.values()}
            for number, clip in enumerate(data.wav_scp, 1):
                if clip not in captioned:
                    raise UserError(
                        f"{path / 'wav.scp'}:{number}: the clip {clip!r} has no caption in "
                        f"{path / 'utt2clip'}. Add a caption or remove the clip."
                    )
        tables: Dict[str, Dict[str, str]] = {}
        for name, check in CLIP_TABLES.items():
            if (path / name).exists():
                tables[name] = _same_keys(path / name, data.wav_scp, path / "wav.scp")
                for number, value in enumerate(tables[name].values(), 1):
                    check(value, path / name, number)
        durations = tables.get("clip2dur", {})
        data.durations = {clip: float(value) for clip, value in durations.items()}
        data.labels = tables.get("clip2label", {})
        if "utt2num_samples" in tables:
            data.extra["utt2num_samples"] = tables["utt2num_samples"]
        if (path / "clip2source").exists():
            data.sources = read_table(path / "clip2source")
            _check_keys(path / "clip2source", data.sources, data.wav_scp, path / "wav.scp")
        if (path / "feats_type").exists():
            check_feats_type(path / "feats_type")
        return data

    def write(self, path: Union[str, Path], note: str = "") -> None:
        """Write the complete directory, replacing what was there.

        Args:
            path: the directory.
            note: text of a README in it (where the data comes from, what it is).

        Raises:
            UserError: ids with white space, empty captions, or a folder that is not writable.
        """
        with atomic_dir(path) as folder:
            write_captions(folder, self.captions)
            tables: Dict[str, Mapping[str, object]] = {
                "wav.scp": self.wav_scp,
                "clip2dur": {clip: f"{value:.4f}" for clip, value in self.durations.items()},
                "clip2label": self.labels,
                "clip2source": self.sources,
                "utt2source": self.caption_sources,
                **self.extra,
            }
            for name, table in tables.items():
                if table:
                    write_table(folder / name, table)
            if note:
                (folder / "README").write_text(note.rstrip() + "\n", encoding="utf-8")


def read_captions(path: Union[str, Path]) -> Dict[str, Caption]:
    """Read `text`, `utt2clip` and `utt2lang` of a directory.

    Raises:
        UserError: a file is broken, the three have different keys, or a language is unknown.
    """
    path = Path(path)
    text = read_table(path / "text")
    clips = _same_keys(path / "utt2clip", text, path / "text")
    langs = _same_keys(path / "utt2lang", text, path / "text")
    if not set(langs.values()) <= set(SONAR_LANGUAGES):
        for number, lang in enumerate(langs.values(), 1):
            check_language(lang, f"{path / 'utt2lang'}:{number}")
    return {key: Caption(text[key], clips[key], langs[key]) for key in text}


def read_caption_sources(path: Union[str, Path], captions: Mapping[str, Caption]) -> Dict[str, str]:
    """Read `utt2source` of a directory of translations: the id of the caption that each was made from.

    Args:
        path: the directory.
        captions: its captions.

    Returns:
        Ids of originals by caption id; empty where there is no such file (captions from elsewhere).

    Raises:
        UserError: the file is broken, or names a caption that the directory does not have.
    """
    path = Path(path)
    if not (path / "utt2source").exists():
        return {}
    sources = read_table(path / "utt2source")
    _check_keys(path / "utt2source", sources, captions, path / "text")
    return sources


def write_captions(path: Union[str, Path], captions: Mapping[str, Caption]) -> None:
    """Write `text`, `utt2clip` and `utt2lang` into the existing directory `path`."""
    path = Path(path)
    write_table(path / "text", {key: caption.text for key, caption in captions.items()})
    write_table(path / "utt2clip", {key: caption.clip for key, caption in captions.items()})
    write_table(path / "utt2lang", {key: caption.lang for key, caption in captions.items()})


def _same_keys(path: Path, expected: Mapping[str, object], origin: Path) -> Dict[str, str]:
    table = read_table(path)
    _check_keys(path, table, expected, origin)
    for number, key in enumerate(expected, 1):
        if key not in table:
            raise UserError(
                f"{origin}:{number}: {key!r} is not in {path}. Make the two files agree."
            )
    return table


def _check_keys(
    path: Path, table: Mapping[str, object], expected: Mapping[str, object], origin: Path
) -> None:
    for number, key in enumerate(table, 1):
        if key not in expected:
            raise UserError(
                f"{path}:{number}: {key!r} is not in {origin}. Make the two files agree."
            )


def _check_seconds(value: str, path: Path, line: int) -> None:
    try:
        seconds = float(value)
    except ValueError:
        seconds = -1.0
    if not 0.0 < seconds < float("inf"):
        raise UserError(
            f"{path}:{line}: {value!r} is not a duration in seconds. Run stage 3 again."
        )


def _check_samples(value: str, path: Path, line: int) -> None:
    if not (value.isascii() and value.isdigit() and len(value) <= _MOST_DIGITS and int(value) > 0):
        raise UserError(
            f"{path}:{line}: {value[:50]!r} is not a number of samples. Run stage 3 again."
        )


def _check_md5(value: str, path: Path, line: int) -> None:
    if not _MD5.fullmatch(value):
        raise UserError(f"{path}:{line}: {shown(value[:50])!r} is no MD5. Run stage 3 again.")


def _any_value(value: str, path: Path, line: int) -> None:
    """A label may be any text."""


#: Files with a value for each clip of a set, and what checks one: value, file, line.
CLIP_TABLES: Mapping[str, Callable[[str, Path, int], None]] = {
    "clip2dur": _check_seconds,
    "clip2label": _any_value,
    "utt2num_samples": _check_samples,
    "clip2md5": _check_md5,
}


def check_feats_type(path: Path) -> None:
    """Make sure that the file of this name holds what a formatted set can hold.

    Raises:
        UserError: something else is in it.
    """
    kind = read_text(path).strip()
    if kind not in FEATS_TYPES:
        allowed = ", ".join(FEATS_TYPES)
        raise UserError(
            f"{path}: {shown(kind[:50])!r} must be one of {allowed}. Run stage 3 again."
        )


def _line_of_value(path: Path, value: str) -> str:
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if line.partition(" ")[2].strip() == value:
            return f"{path}:{number}"
    return str(path)
