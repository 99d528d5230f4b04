"""The vectors of teachers, for the batches of a student."""

import itertools
from pathlib import Path
from typing import Iterable, Iterator, List, Sequence, Union

import numpy as np

from espnet_mlclap.evaluation.embedding_table import EmbeddingTable, first_missing
from espnet_mlclap.evaluation.training_items import CAPTION_TABLES
from espnet_mlclap.objectives.correspondences import join_teachers
from espnet_mlclap.utils.errors import UserError

_KEYS_AT_ONCE = 65_536


class Teachers:
    """What teachers think of clips and captions, read by memory map.

    Args:
        folders: for each teacher the folders that `mlclap embed_training_set` has made, one per training
            set. Teachers may be of any widths. An original's vector is that of the table of originals,
            so that old translations in a folder do no harm to a training without any.

    It can be sent to data workers, which open the files for themselves.

    Raises:
        UserError: a table is missing or broken.
    """

    def __init__(self, folders: Sequence[Sequence[Union[str, Path]]]):
        self.folders = [[Path(folder) for folder in one] for one in folders]
        self._clips = [[EmbeddingTable(folder / "clips") for folder in one] for one in self.folders]
        self._captions = [
            [
                EmbeddingTable(folder / name)
                for name in CAPTION_TABLES
                for folder in one
                if name == CAPTION_TABLES[0] or (folder / name).is_dir()
            ]
            for one in self.folders
        ]

    @property
    def size(self) -> int:
        """Width D of a joined vector."""
        return sum(tables[0].size for tables in self._clips)

    def check(self, clips: Iterable[str], captions: Iterable[str]) -> None:
        """Make sure that every teacher knows these.

        Raises:
            UserError: names the teacher and the first clip or caption that it lacks.
        """
        for kind, keys, teachers in (
            ("clip", clips, self._clips),
            ("caption", captions, self._captions),
        ):
            for some in _blocks(keys):
                for tables, folders in zip(teachers, self.folders):
                    missing = first_missing(tables, some)
                    if missing is not None:
                        places = ", ".join(map(str, folders))
                        raise UserError(
                            f"the teacher of {places} lacks the {kind} {missing!r}. Run stage 5 with "
                            "--teachers, which embeds all that a training uses."
                        )

    def clips(self, keys: Sequence[str]) -> np.ndarray:
        """Joined vectors of clips, [n, D] float32: see `join_teachers`."""
        return join_teachers([_vectors(tables, keys) for tables in self._clips])

    def captions(self, keys: Sequence[str]) -> np.ndarray:
        """Joined vectors of captions, [n, D] float32."""
        return join_teachers([_vectors(tables, keys) for tables in self._captions])


def _blocks(keys: Iterable[str]) -> Iterator[List[str]]:
    """Some keys at a time: all of a large set take gigabytes."""
    left = iter(keys)
    while some := list(itertools.islice(left, _KEYS_AT_ONCE)):
        yield some


def _vectors(tables: List[EmbeddingTable], keys: Sequence[str]) -> np.ndarray:
    """[n, E] of one teacher, from the first of its tables that has an item; `check` saw that one does."""
    found = np.empty((len(keys), tables[0].size), dtype=np.float32)
    missing = np.ones(len(keys), dtype=bool)
    for table in tables:
        rows = table.find(keys)
        here = missing & (rows >= 0)
        if here.any():  # a table that is not asked for may be of older weights, of another width
            found[here] = table.vectors(rows[here])
            missing &= ~here
    return found
