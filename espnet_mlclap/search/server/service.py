"""What the server does, without HTTP: answers questions from a library with a model that is loaded once."""

import os
import time
from dataclasses import replace
from pathlib import Path
from typing import List, Optional, Sequence, Tuple

from espnet_mlclap.search.catalogue import File
from espnet_mlclap.search.hits import Hit
from espnet_mlclap.search.library import Library
from espnet_mlclap.search.question import Answer, Question, ask
from espnet_mlclap.search.rerank import Reranker
from espnet_mlclap.search.server import schemas
from espnet_mlclap.search.server.shared_model import ServedModel, SharedModel
from espnet_mlclap.search.sounds import read_sound
from espnet_mlclap.search.stores.abs_store import Recording, Where
from espnet_mlclap.utils.errors import UserError
from espnet_mlclap.utils.languages import ISO_CODES
from espnet_mlclap.utils.shown import shown

_CLOCK = 1e-3  # seconds, of times of changes as floats


class GoneError(UserError):
    """A recording is not there any more, or is not what it was when it was indexed."""


class Service:
    """Answers questions; may be used by several threads.

    Args:
        model: one thread at a time computes with it.
        library: that is searched.
        reranker: puts what was found for words in order; None: similarity does.
    """

    def __init__(self, model: ServedModel, library: Library, reranker: Optional[Reranker] = None):
        self._model = SharedModel(model)
        self._languages = _languages(model)
        self._reranker = reranker
        self.library = library
        self.plan = library.plan()

    def search(self, wanted: schemas.Search, sound: Optional[Path] = None) -> schemas.Answer:
        """Answer a question.

        Args:
            wanted: the question.
            sound: a recording that is looked for too.

        Raises:
            UserError: nothing to look for, an unknown language or folder, a sound that cannot be read.
        """
        began = time.perf_counter()
        question = Question(
            words=(wanted.words,) if wanted.words.strip() else (),
            minus=(wanted.minus,) if wanted.minus.strip() else (),
            lang=wanted.lang,
            sounds=() if sound is None else (read_sound(sound, self.plan),),
            like=tuple(wanted.like),
        )
        answer = Answer(
            top=wanted.offset + wanted.top + 1,  # one more, to know whether there are more
            min_similarity=wanted.min_similarity,
            one_per_recording=wanted.one_per_recording,
            where=self._where(wanted.filters),
            reranker=self._reranker,
        )
        hits = ask(question, answer, self._model, self.library.store)
        page = hits[wanted.offset : wanted.offset + wanted.top]
        folders = self._folders()
        return schemas.Answer(
            hits=[_span(hit, folders) for hit in page],
            more=len(hits) > wanted.offset + wanted.top,
            milliseconds=round(1000 * (time.perf_counter() - began), 2),
        )

    def info(self) -> schemas.LibraryInfo:
        """What can be searched."""
        catalogue = self.library.catalogue
        return schemas.LibraryInfo(
            recordings=catalogue.count(),
            windows=self.library.store.count(),
            folders=[name for name, _ in self._folders()],
            tags=catalogue.all_tags(),
            languages=self._languages,
        )

    def health(self) -> schemas.Health:
        """Whether everything that is needed answers."""
        about = self.library.store.describe()
        return schemas.Health(
            status="ok",
            recordings=self.library.catalogue.count(),
            windows=int(str(about["windows"])),
            store=f"{about['store']}, {about['index']}",
        )

    def file(self, recording: int) -> Path:
        """The file of a recording of the library, as it was when it was indexed.

        Raises:
            GoneError: there is no such recording, or the file has changed (into a link to another, say).
        """
        found = self.library.store.recording(recording)
        if found is None:
            raise GoneError("This recording is not in the library any more. Search again.")
        path = Path(found.path)
        file: Optional[File] = self.library.catalogue.find(recording)
        try:
            status = os.stat(path)
        except OSError:
            status = None
        # of a library that was made on another machine, size and checksum are not known here
        same = status is not None and abs(status.st_mtime_ns / 1e9 - found.changed) < _CLOCK
        if same and status is not None and file is not None:
            same = file.path == found.path and file.stamp.size == status.st_size
        if not same:
            raise GoneError(
                f"{shown(path.name)} has changed or is gone since it was indexed. Run `mlclap index` again."
            )
        return path

    def _folders(self) -> List[Tuple[str, str]]:
        """(name shown, absolute path) of the library's folders."""
        paths = self.library.catalogue.folders
        return [(shown(_short(path, paths)), path) for path in paths]

    def _where(self, filters: schemas.Filters) -> Where:
        folder = None
        if filters.folder:
            folder = dict(self._folders()).get(filters.folder)
            if folder is None:
                raise UserError(f"{filters.folder}: the library has no such folder.")
        about = filters.model_dump(exclude={"folder", "tags"})
        return replace(Where(**about), folder=folder, tags=tuple(filters.tags))


def _languages(model: ServedModel) -> List[schemas.Language]:
    """Languages of queries: those that the model was trained in, then what its text encoder knows besides."""
    trained = list(model.trained_languages)
    others = [code for code in model.languages if code not in trained]
    return [
        schemas.Language(code=code, iso=ISO_CODES.get(code, code[:3]), trained=code in trained)
        for code in trained + others
    ]


def _short(path: str, paths: Sequence[str]) -> str:
    """The last part of a folder's path; the whole if another folder has the same."""
    name = os.path.basename(path) or path
    same = [other for other in paths if (os.path.basename(other) or other) == name]
    return name if len(same) == 1 else path


def _span(hit: Hit, folders: Sequence[Tuple[str, str]]) -> schemas.Span:
    recording: Recording = hit.recording
    inside = [pair for pair in folders if recording.path.startswith(pair[1].rstrip("/") + "/")]
    parent = os.path.dirname(recording.path)
    if inside:
        name, root = max(inside, key=lambda pair: len(pair[1]))
        parent = os.path.normpath(os.path.join(name, os.path.relpath(parent, root)))
    return schemas.Span(
        window=hit.window,
        recording=recording.id,
        name=shown(os.path.basename(recording.path)),
        folder=shown(parent),
        start=hit.start,
        end=hit.end,
        duration=recording.duration,
        similarity=round(hit.similarity, 6),
        tags=list(recording.tags),
    )
