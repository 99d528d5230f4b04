"""Captions of one or several data directories, looked up by id or taken as columns in the order of ids."""

from typing import Collection, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from espnet_mlclap.fileio.columns import find_id, find_ids
from espnet_mlclap.fileio.data_dir import Caption
from espnet_mlclap.fileio.set_table import SetTable


class _Part(NamedTuple):
    """Those captions of a table whose language and clip are wanted: [langs] and [clips] bool."""

    table: SetTable
    langs: np.ndarray
    clips: np.ndarray

    def has(self, rows: np.ndarray) -> np.ndarray:
        """Which rows are wanted, bool."""
        arrays = self.table.arrays
        return self.langs[arrays["caption_langs"][rows]] & self.clips[arrays["caption_clips"][rows]]

    def rows(self) -> np.ndarray:
        """The rows that are wanted, in the order of their ids."""
        return np.flatnonzero(self.has(np.s_[:]))


class CaptionsInOrder(NamedTuple):
    """Captions in the order of their ids, as columns.

    Attributes:
        part: which of the tables of `CaptionColumns` each is in, [n] uint8.
        row: and where in it, [n] int32.
        clip: row of its clip among given ones, [n] int32.
        lang: place of its language among given ones, [n] int16.
    """

    part: np.ndarray
    row: np.ndarray
    clip: np.ndarray
    lang: np.ndarray


class CaptionColumns(Mapping[str, Caption]):
    """Captions by id.

    Args:
        tables: they are in; of two with the same id the one in the later table counts.

    It can be sent to other processes; of tables on disk that takes a byte for each clip.
    """

    def __init__(self, tables: Sequence[SetTable] = ()):
        self._parts = [
            _Part(table, np.ones(len(table.langs), bool), np.ones(len(table.clip_ids), bool))
            for table in tables
        ]

    @classmethod
    def of(
        cls, captions: Mapping[str, Caption], sources: Optional[Mapping[str, str]] = None
    ) -> "CaptionColumns":
        """Put captions into columns in memory.

        Args:
            captions: by id.
            sources: id of the original by id of the translation, where it is known.
        """
        return cls([SetTable.of(captions, sources)] if captions else [])

    @classmethod
    def join(cls, several: Sequence["CaptionColumns"]) -> "CaptionColumns":
        """The tables of several, one after the other."""
        joined = cls()
        joined._parts = [part for captions in several for part in captions._parts]
        return joined

    @classmethod
    def in_groups(
        cls, groups: Sequence["CaptionColumns"], clip_ids: np.ndarray, langs: Sequence[str]
    ) -> Tuple["CaptionColumns", CaptionsInOrder]:
        """All captions of some groups, and their columns: group after group, each in the order of its ids."""
        columns, before = [], 0
        for group in groups:
            one = group.in_order(clip_ids, langs)
            columns.append(one._replace(part=one.part + np.uint8(before)))
            before += len(group._parts)
        return cls.join(groups), CaptionsInOrder(*map(np.concatenate, zip(*columns)))

    def only(
        self, *, langs: Optional[Collection[str]] = None, clips: Optional[np.ndarray] = None
    ) -> "CaptionColumns":
        """Those of some languages and some clips.

        Args:
            langs: FLORES-200 codes; None for all.
            clips: sorted ids, [c] bytes; None for all.
        """
        chosen = CaptionColumns()
        for table, of_lang, of_clip in self._parts:
            if langs is not None:
                of_lang = of_lang & np.array([lang in langs for lang in table.langs])
            if clips is not None:
                of_clip = of_clip & (find_ids(clips, table.clip_ids) >= 0)
            chosen._parts.append(_Part(table, of_lang, of_clip))
        return chosen

    @property
    def langs(self) -> List[str]:
        """The languages of these captions, sorted."""
        found = set()
        for part in self._parts:
            numbers = np.unique(part.table.arrays["caption_langs"][part.rows()])
            found.update(part.table.langs[number] for number in numbers)
        return sorted(found)

    def _find(self, key: str) -> Tuple[_Part, int]:
        for part in reversed(self._parts):
            row = find_id(part.table.caption_ids, key)
            if row >= 0 and part.has(row):
                return part, row
        raise KeyError(key)

    def __getitem__(self, key: str) -> Caption:
        part, row = self._find(key)
        return part.table.caption(row)

    def __iter__(self) -> Iterator[str]:
        order = self.in_order()
        return (self.id_at(part, row) for part, row in zip(order.part, order.row))

    def __len__(self) -> int:
        return len(self.in_order().row)

    def id_at(self, part: int, row: int) -> str:
        """Id of the caption in a row of a table, by the number of the table."""
        return self._parts[part].table.caption_ids[row].decode("utf-8")

    def source(self, key: str) -> str:
        """Id of the caption that this one was made from; its own where nothing is known."""
        part, row = self._find(key)
        return part.table.source(row)

    def words(self, key: str) -> int:
        """A number that is the same for the same words in the same language: see `hash63`."""
        part, row = self._find(key)
        return int(part.table.arrays["caption_words"][row])

    def words_of_clip(self, clip: str) -> np.ndarray:
        """Such numbers of all captions of a clip, each once, sorted, int64."""
        found = [np.zeros(0, dtype=np.int64)]
        for part in self._parts:
            rows = part.table.rows_of_clip(clip)
            found.append(part.table.arrays["caption_words"][rows[part.has(rows)]])
        return np.unique(np.concatenate(found))

    def most_of_a_clip(self) -> int:
        """At least as many captions as any clip has."""
        return sum(
            int(np.bincount(part.table.arrays["caption_clips"][part.rows()]).max(initial=0))
            for part in self._parts
        )

    def in_order(
        self, clip_ids: Optional[np.ndarray] = None, langs: Sequence[str] = ()
    ) -> CaptionsInOrder:
        """As columns.

        Args:
            clip_ids: sorted ids, of which `clip` gives the row; -1 for a caption of another clip, as for all
                without it.
            langs: of which `lang` gives the place; likewise.
        """
        rows = [part.rows().astype(np.int32) for part in self._parts]
        number = np.repeat(np.arange(len(rows), dtype=np.uint8), [len(some) for some in rows])
        row = np.concatenate([np.zeros(0, dtype=np.int32), *rows])
        if len(self._parts) > 1:
            every = zip(self._parts, rows)
            ids = np.concatenate([part.table.caption_ids[some] for part, some in every])
            order = np.argsort(ids, kind="stable")
            ids = ids[order]
            last = np.ones(len(ids), dtype=bool)  # of equal ones
            last[:-1] = ids[1:] != ids[:-1]
            order = order[last]
            number, row = number[order], row[order]
        clip = np.full(len(row), -1, dtype=np.int32)
        lang = np.full(len(row), -1, dtype=np.int16)
        number_of_lang = {code: place for place, code in enumerate(langs)}
        for place, part in enumerate(self._parts):
            here = number == place
            arrays = part.table.arrays
            if clip_ids is not None:
                row_of_clip = find_ids(clip_ids, part.table.clip_ids).astype(np.int32)
                clip[here] = row_of_clip[arrays["caption_clips"][row[here]]]
            of_lang = np.array(
                [number_of_lang.get(code, -1) for code in part.table.langs], np.int16
            )
            lang[here] = of_lang[arrays["caption_langs"][row[here]]]
        return CaptionsInOrder(number, row, clip, lang)

    def ids_in_order(self, order: CaptionsInOrder) -> np.ndarray:
        """Their ids, [n] bytes."""
        return self._gather("caption_ids", order)

    def sources_in_order(self, order: CaptionsInOrder) -> np.ndarray:
        """Ids [n] bytes of the captions that these were made from; empty where nothing is known."""
        return self._gather("sources", order)

    def _gather(self, name: str, order: CaptionsInOrder) -> np.ndarray:
        """A column of ids; empty ones of tables that do not have it."""
        columns = [part.table.arrays.get(name) for part in self._parts]
        width = max((one.dtype.itemsize for one in columns if one is not None), default=1)
        found = np.zeros(len(order.row), dtype=f"S{width}")
        for place, column in enumerate(columns):
            if column is not None:
                here = order.part == place
                found[here] = column[order.row[here]]
        return found
