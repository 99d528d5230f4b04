"""Bring a library up to date with folders: what is new or changed is embedded, what is gone leaves it."""

import logging
import os
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Dict, Iterator, List, Optional, Sequence, Tuple, Union

import numpy as np

from espnet_mlclap.fileio.audio import AudioError
from espnet_mlclap.fileio.recordings import find_recordings
from espnet_mlclap.search.catalogue import File, Stamp
from espnet_mlclap.search.library import Library
from espnet_mlclap.search.lock import writer_lock
from espnet_mlclap.search.names import can_be_kept
from espnet_mlclap.search.shares import Encode, Shares, Todo, file_checksum
from espnet_mlclap.search.stores.abs_store import Windows
from espnet_mlclap.search.windows import Window, WindowPlan, read_windows
from espnet_mlclap.utils.errors import UserError
from espnet_mlclap.utils.progress import progress_bar
from espnet_mlclap.utils.shown import shown


@dataclass
class Report:
    """What was done, in numbers of recordings.

    Attributes:
        folders: that were looked through, absolute paths.
        found: audio files in the folders.
        unchanged: that were known already.
        embedded: by the model.
        taken_over: whose content was known under another name.
        removed: that are gone.
        problems: (path, what is wrong) of those that cannot be read.
    """

    folders: List[str]
    found: int = 0
    unchanged: int = 0
    embedded: int = 0
    taken_over: int = 0
    removed: int = 0
    problems: List[Tuple[str, str]] = field(default_factory=list)

    def __str__(self) -> str:
        parts = [
            f"{self.found} recordings found",
            f"{self.embedded} embedded",
            f"{self.unchanged} unchanged",
        ]
        if self.taken_over:
            parts.append(f"{self.taken_over} moved or copied, not embedded again")
        if self.removed:
            parts.append(f"{self.removed} gone")
        if self.problems:
            parts.append(f"{len(self.problems)} cannot be read")
        return ", ".join(parts)


def update_library(
    library: Library,
    folders: Sequence[Union[str, Path]],
    encode: Encode,
    *,
    plan: Optional[WindowPlan] = None,
    tags: Sequence[str] = (),
    batch_size: int = 16,
    compare_checksums: bool = False,
    retry: bool = False,
    wait: bool = True,
    only_list: bool = False,
) -> Report:
    """Bring a library up to date with folders.

    What is finished is kept when this is killed, of a long recording up to the last batch. Searching goes on
    meanwhile. What jobs have embedded for the library (`shares.py`) is taken over.

    Args:
        library: to be brought up to date.
        folders: of recordings, including subfolders. Recordings of other folders stay as they are.
        encode: the model.
        plan: how recordings are cut; None: as the library is.
        tags: for the recordings that are new or changed.
        batch_size: windows that are encoded together.
        compare_checksums: read each file to see whether it has changed, not only its size and time.
        retry: try again what could not be read, though it has not changed.
        wait: for another process that is at it; else say so.
        only_list: change nothing, but list for such jobs what is to be embedded.

    Raises:
        UserError: no such folder, no recordings, another process at it.
    """
    places = [os.path.abspath(folder) for folder in folders]
    for place in places:
        if not os.path.isdir(place):
            raise UserError(f"{shown(place)}: no such folder.")
    with writer_lock(library.folder, wait=wait):
        made = library.plan(plan)
        run = _Update(library, encode, made, tuple(sorted({*tags})), batch_size)
        run.compare(places, compare_checksums=compare_checksums, retry=retry)
        if only_list:
            paths = [path for path, _, _ in run.wanted]
            run.shares.write_todo(Todo(run.model, made.window, made.hop, paths))
            return run.report
        library.catalogue.add_folders(places)
        run.embed()
        run.remove()
        library.store.finish()
        run.shares.remove()
    return run.report


def forget_folders(library: Library, folders: Sequence[Union[str, Path]], *, wait: bool) -> int:
    """Remove the recordings of folders from a library; the files stay where they are.

    Args:
        library: to be changed.
        folders: of recordings, including subfolders; they need not be there any more.
        wait: for another process that changes it; else say so.

    Returns:
        How many recordings were removed.

    Raises:
        UserError: a folder of which the library has none, or another process at it.
    """
    places = [os.path.abspath(folder) for folder in folders]
    with writer_lock(library.folder, wait=wait):
        catalogue = library.catalogue
        files = {}
        for place in places:
            here = catalogue.below(place)
            if not here and place not in catalogue.folders:
                raise UserError(f"{place}: the library has no recordings of this folder.")
            files.update(here)
        with library.database.transaction():
            library.store.delete([file.id for file in files.values()])
            catalogue.remove(files.values())
            catalogue.remove_folders(places)
        library.store.finish()
    return len(files)


class _Update:
    """One run of `update_library`."""

    def __init__(
        self, library: Library, encode: Encode, plan: WindowPlan, tags: Tuple[str, ...], batch: int
    ):
        self.library, self.encode, self.plan, self.tags, self.batch = (
            library,
            encode,
            plan,
            tags,
            batch,
        )
        self.catalogue, self.store = library.catalogue, library.store
        self.shares, self.model = Shares(library.folder), library.catalogue.get("model") or ""
        self.report = Report([])
        self.wanted: List[Tuple[str, Stamp, Optional[File]]] = []  # with what was known of the path
        self.gone: Dict[int, File] = {}

    def compare(self, places: Sequence[str], *, compare_checksums: bool, retry: bool) -> None:
        """Find out what is new, changed or gone."""
        self.report.folders = list(places)
        known: Dict[str, File] = {}
        stamps: Dict[str, Stamp] = {}
        for place in places:
            recordings = find_recordings(place)
            for note in recordings.notes():
                logging.info("%s: %s", shown(place), note)
            here = self.catalogue.below(place)
            found = {path: _stamp(path) for path in recordings.files}
            if here and not found:
                raise UserError(
                    f"{place}: none of its {len(here)} recordings is there any more. If a disk is "
                    f"missing, mount it; "
                    "to remove them from the library, run `mlclap index --forget` with this folder."
                )
            known.update(here)
            stamps.update(found)
        if not stamps:
            raise UserError(f"{', '.join(places)}: no audio file in it.")
        self.report.found = len(stamps)
        for path, stamp in sorted(stamps.items()):
            file = known.get(path)
            same = file is not None and file.stamp == stamp
            if same and file is not None and file.problem is not None and retry:
                same = False
            if same and file is not None and compare_checksums:
                same = (
                    file_checksum(path) == file.checksum
                )  # it was read before, so it can be opened
            if same and file is not None and file.problem is not None:
                self.report.problems.append((path, file.problem))
            elif same:
                self.report.unchanged += 1
            else:
                self.wanted.append((path, stamp, file))
        self.gone = {file.id: file for path, file in known.items() if path not in stamps}

    def embed(self) -> None:
        """Work through what is new or changed."""
        logging.info(
            "%d recordings, %d new or changed, to be embedded", self.report.found, len(self.wanted)
        )
        batch: List[Tuple[_Job, Window]] = []
        with progress_bar("indexing", len(self.wanted), "recordings") as bar:
            for path, stamp, known in self.wanted:
                job = self._start(path, stamp, known)
                for window in self._windows(job) if job is not None else ():
                    batch.append((job, window))
                    if len(batch) == self.batch:
                        self._encode(batch)
                        batch = []
                if job is not None and job.problem is not None:
                    batch = [entry for entry in batch if entry[0] is not job]
                    self._note_problem(job)
                bar.update()
            if batch:
                self._encode(batch)

    def remove(self) -> None:
        """Remove what is gone."""
        self.report.removed = len(self.gone)
        with self.library.database.transaction():
            self.store.delete(list(self.gone))
            self.catalogue.remove(self.gone.values())

    def _start(self, path: str, stamp: Stamp, known: Optional[File]) -> Optional["_Job"]:
        """A job for the model, or None if none is needed."""
        number = known.id if known is not None else 0
        if not can_be_kept(path):
            reason = "its name has characters in it that Unicode leaves to private use; rename it."
            self.report.problems.append((path, f"{shown(path)}: {reason}"))
            return None
        try:
            checksum = file_checksum(path)
        except OSError as error:
            job = _Job(File(number, path, stamp, b"", None, self.tags))
            job.problem = f"{shown(path)}: cannot be read ({error.strerror})."
            self._note_problem(job)
            return None
        file = File(number, path, stamp, checksum, None, self.tags)
        twins = self.catalogue.with_checksum(checksum)
        if twins:
            # rather one whose file is gone, which has then been renamed
            self._take_over(file, min(twins, key=lambda twin: twin.id not in self.gone))
            return None
        windows = self.shares.find(checksum, self.model, self.plan)
        if windows is not None:
            self._take_shared(file, windows)
            return None
        return _Job(file, skipped=self.catalogue.count_pending(checksum))

    def _take_shared(self, file: File, windows: Windows) -> None:
        """A job has embedded them."""
        self.report.embedded += 1
        with self.library.database.transaction():
            put = self.catalogue.put(replace(file, duration=float(windows.spans[-1, 1])))
            self.store.upsert([(put.recording, windows)])

    def _take_over(self, file: File, twin: File) -> None:
        """The same bytes are known under another name, or of another time: their windows are kept."""
        self.report.taken_over += 1
        with self.library.database.transaction():
            if twin.id in self.gone or twin.id == file.id:
                if file.id and file.id != twin.id:
                    self.store.delete([file.id])
                    self.catalogue.remove([file])
                self.gone.pop(twin.id, None)
                tags = self.tags or twin.tags
                moved = replace(file, id=twin.id, duration=twin.duration, tags=tags)
                self.catalogue.put(moved)
                self.store.update([moved.recording])
            else:
                copied = self.catalogue.put(replace(file, duration=twin.duration))
                self.store.upsert_long(copied.recording, self.store.blocks(twin.id))

    def _windows(self, job: "_Job") -> Iterator[Window]:
        """Windows of a recording; `job.read` is true when the last one is given."""
        last: Optional[Window] = None
        try:
            for window in read_windows(job.file.path, self.plan, job.skipped):
                if last is not None:
                    yield last
                last = window
        except AudioError as error:
            job.problem = str(error)
            return
        if last is not None:
            job.read, job.duration = True, last.end
            yield last

    def _encode(self, batch: Sequence[Tuple["_Job", Window]]) -> None:
        """Embed a batch; in one transaction keep it, and put the recordings that it completes "
        "into the store."""
        vectors = self.encode([window for _, window in batch])
        for (job, window), vector in zip(batch, vectors):
            job.spans.append((window.start, window.end))
            job.vectors.append(vector)
        jobs = list({id(job): job for job, _ in batch}.values())
        complete = [job for job in jobs if job.read]
        with self.library.database.transaction():
            self._put([job for job in complete if not self._has_pending(job)])
            for job in filter(self._has_pending, complete):
                self._put_long(job)
            for job in jobs:
                if not job.read:  # the last one, if any
                    self.catalogue.keep_pending(job.file.checksum, *job.take())
        self.report.embedded += len(complete)

    def _has_pending(self, job: "_Job") -> bool:
        return self.catalogue.count_pending(job.file.checksum) > 0

    def _put(self, jobs: Sequence["_Job"]) -> None:
        """Recordings whose windows are all here."""
        files = [self.catalogue.put(replace(job.file, duration=job.duration)) for job in jobs]
        self.store.upsert(
            [(file.recording, Windows(*job.take())) for file, job in zip(files, jobs)]
        )

    def _put_long(self, job: "_Job") -> None:
        """A recording most of whose windows wait in the database, and go from there to the store."""
        file = self.catalogue.put(replace(job.file, duration=job.duration))
        last = Windows(*job.take())
        self.store.upsert_long(file.recording, chain(self.catalogue.pending(), [last]))
        self.catalogue.drop_pending()

    def _note_problem(self, job: "_Job") -> None:
        assert job.problem is not None
        if not os.path.lexists(job.file.path):  # removed since the folder was looked through
            if job.file.id:
                self.gone[job.file.id] = job.file
            return
        self.report.problems.append((job.file.path, job.problem))
        with self.library.database.transaction():
            if self._has_pending(job):
                self.catalogue.drop_pending()
            if job.file.id:
                self.store.delete([job.file.id])
            self.catalogue.put(replace(job.file, problem=job.problem))


@dataclass
class _Job:
    """A recording that is being read, and those of its windows that are embedded and not yet kept."""

    file: File
    skipped: int = 0  # windows that an earlier run has embedded
    spans: List[Tuple[float, float]] = field(default_factory=list)
    vectors: List[np.ndarray] = field(default_factory=list)
    duration: float = 0.0
    read: bool = False
    problem: Optional[str] = None

    def take(self) -> Tuple[np.ndarray, np.ndarray]:
        """Spans [n, 2] and vectors [n, E], which it holds no longer."""
        taken = np.array(self.spans), np.stack(self.vectors).astype(np.float32)
        self.spans, self.vectors = [], []
        return taken


def _stamp(path: str) -> Stamp:
    try:
        status = os.stat(path)
    except OSError:  # a link to nowhere: what is wrong is said when it is read
        return Stamp(-1, -1)
    return Stamp(status.st_size, status.st_mtime_ns)
