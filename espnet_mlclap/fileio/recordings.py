"""The recordings below a folder: the one place that says which files these are.

Folders of recordings come from other machines and other people. What begins with a dot (the `._x.wav` of
macOS and `.Trash-1000` too) and what systems keep for themselves (`__MACOSX`) is passed over, as is what is
no regular file (FIFOs, devices). Links are followed, but each folder is looked at once, and a link that leads
to a folder around the given one is not followed.
"""

import os
import unicodedata
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, Iterator, List, Optional, Set, Tuple, Union

from espnet_mlclap.fileio.audio import AUDIO_SUFFIXES
from espnet_mlclap.utils.errors import UserError
from espnet_mlclap.utils.shown import shown

_OF_THE_SYSTEM = frozenset(("__MACOSX", "$RECYCLE.BIN", "System Volume Information", "lost+found"))
_Key = Tuple[int, int]  # device and inode
_MOST_NAMED = 3  # unreadable folders that a message names


@dataclass(frozen=True)
class Recordings:
    """What `find_recordings` has found.

    Attributes:
        files: paths of the recordings, sorted by folder and name.
        unreadable: folders that may not be looked into.
        passed_over: numbers of files that are none of `files`, by reason.
    """

    files: List[str]
    unreadable: List[str]
    passed_over: Dict[str, int]

    def notes(self) -> List[str]:
        """Lines that tell the user what was not looked at; none if there is nothing to tell."""
        lines = []
        if self.unreadable:
            named = ", ".join(map(shown, self.unreadable[:_MOST_NAMED]))
            more = ", ..." if len(self.unreadable) > _MOST_NAMED else ""
            lines.append(f"{len(self.unreadable)} folders may not be read: {named}{more}")
        if self.passed_over:
            counts = (f"{count} {reason}" for reason, count in sorted(self.passed_over.items()))
            lines.append(f"passed over: {', '.join(counts)}")
        return lines


def find_recordings(folder: Union[str, Path], *, each_once: bool = True) -> Recordings:
    """Look through `folder` and all folders in it.

    Args:
        folder: where to look, whatever its own name.
        each_once: of several names of one file (links) only one is returned, that which is no link if
            there is one. False: all of its names.

    Raises:
        UserError: no such folder, or it may not be read.
    """
    folder = os.fspath(folder)
    if not os.path.isdir(folder):
        raise UserError(f"{shown(folder)}: no such folder.")
    passed_over: Counter = Counter()
    unreadable: List[str] = []
    found: List[Tuple[str, _Key, bool]] = []  # path, what it is, is it a link
    for entry in _entries(folder, unreadable, passed_over):
        if _suffix(entry.name) not in AUDIO_SUFFIXES:
            passed_over["not audio by their names"] += 1
            continue
        try:
            status = entry.stat()
        except OSError:  # a link to nowhere, or it has gone: what reads it says so
            found.append((entry.path, (-1, len(found)), True))
            continue
        if not os.path.isfile(entry.path):
            passed_over["no regular files"] += 1
            continue
        found.append((entry.path, (status.st_dev, status.st_ino), entry.is_symlink()))
    if folder in unreadable:
        raise UserError(f"{shown(folder)}: may not be read. Ask for the right to, or copy it.")
    if each_once:
        chosen: Dict[_Key, str] = {}
        for path, key, _ in sorted(found, key=lambda item: (item[2], _by_folder(item[0]))):
            chosen.setdefault(key, path)
        if len(chosen) < len(found):
            passed_over["further names of the same files"] = len(found) - len(chosen)
        paths = list(chosen.values())
    else:
        paths = [path for path, _, _ in found]
    return Recordings(sorted(paths, key=_by_folder), sorted(unreadable), dict(passed_over))


def _entries(
    root: str, unreadable: List[str], passed_over: Counter
) -> Iterator["os.DirEntry[str]"]:
    """All files below `root`; true folders before links to folders, so that a file goes by its true name."""
    seen: Set[Optional[_Key]] = {_key(str(parent)) for parent in Path(root).resolve().parents}
    folders, links = [root], []
    while folders or links:
        folder = folders.pop() if folders else links.pop(0)
        key = _key(folder)
        if key is None or key in seen:
            continue
        seen.add(key)
        try:
            with os.scandir(folder) as scan:
                entries = sorted(scan, key=lambda entry: entry.name)
        except FileNotFoundError:  # gone since its parent was read
            continue
        except OSError:
            unreadable.append(folder)
            continue
        for entry in entries:
            if entry.name.startswith(".") or entry.name in _OF_THE_SYSTEM:
                passed_over["hidden"] += 1
            elif os.path.isdir(entry.path):  # of the entry it would fail for a link to itself
                (links if entry.is_symlink() else folders).append(entry.path)
            else:
                yield entry


def _key(path: str) -> Optional[_Key]:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _suffix(name: str) -> str:
    return os.path.splitext(name)[1].lower()


def _by_folder(path: str) -> Tuple[str, str]:
    return os.path.split(path)


def file_inside(folder: Union[str, Path], name: str, root: Union[str, Path]) -> Path:
    """The file that a list in `folder` calls `name`, which must lie in `root` (or in `folder`).

    Unicode forms meet: macOS writes accents apart, most others do not.

    Returns:
        Its path, whether it is there or not.

    Raises:
        UserError: an absolute path, or one that leads out, by `..` or by a link; says which of these.
    """
    folder = Path(folder)
    if not name.strip() or "\0" in name:
        raise UserError(f"{shown(name)!r} is no file name.")
    if os.path.isabs(name):
        raise UserError(f"{shown(name)} is an absolute path. Give the name relative to {folder}.")
    path = folder
    for part in Path(name).parts:
        path = path / part if part == ".." else _in_any_form(path, part)
    inside = (Path(root).resolve(), folder.resolve())
    target = path.resolve()
    if not any(target != place and target.is_relative_to(place) for place in inside):
        why = " by a link" if Path(os.path.normpath(path)).is_relative_to(inside[0]) else ""
        raise UserError(
            f"{shown(name)} leads{why} out of {inside[0]}. Put the recording into that folder."
        )
    return path


def _in_any_form(folder: Path, name: str) -> Path:
    """`name` in `folder`, in the Unicode form in which it is there."""
    forms = dict.fromkeys((name, *(unicodedata.normalize(form, name) for form in ("NFC", "NFD"))))
    if len(forms) > 1:
        for form in forms:
            if os.path.lexists(folder / form):
                return folder / form
    return folder / name
