"""What a training reads from disk: formatted sets, and the translations of their captions."""

from dataclasses import dataclass
from pathlib import Path
from typing import Iterator, List, Mapping, Optional, Sequence, Set, Tuple, Union

import numpy as np

from espnet_mlclap.fileio.caption_columns import CaptionColumns
from espnet_mlclap.fileio.columns import Column, find_ids
from espnet_mlclap.fileio.set_table import SetTable, read_languages, read_set_table
from espnet_mlclap.utils.errors import UserError


class Locations(Mapping[str, str]):
    """Where the audio of each clip of some formatted sets is.

    Args:
        tables: the sets.
    """

    def __init__(self, tables: Sequence[SetTable]):
        self._tables = list(tables)

    def __getitem__(self, clip: str) -> str:
        for table in self._tables:
            location = table.location(clip)
            if location is not None:
                return location
        raise KeyError(clip)

    def of_sets(self) -> List[Iterator[Tuple[str, str]]]:
        """Clips with their locations, of each set by itself."""
        return [table.locations() for table in self._tables]

    def __iter__(self) -> Iterator[str]:
        return (clip.decode("utf-8") for table in self._tables for clip in table.clip_ids)

    def __len__(self) -> int:
        return sum(len(table.clip_ids) for table in self._tables)


@dataclass
class TrainingSets:
    """All training sets as one; in columns, which are memory maps where stage 3 has made them.

    Attributes:
        wav_scp: location of each clip.
        lengths: samples of each clip at 16 kHz.
        originals: captions as their authors wrote them.
        translations: translated captions.
        paraphrases: captions that say what an original says in other words of its language.
        weights: how often the captions of a clip count in an epoch; empty where no weights are given.
    """

    wav_scp: Locations
    lengths: Column
    originals: CaptionColumns
    translations: CaptionColumns
    paraphrases: CaptionColumns
    weights: Column


def read_training_sets(
    folders: Sequence[Union[str, Path]],
    *,
    weights: Sequence[float] = (),
    translations: Sequence[Union[str, Path]] = (),
    paraphrases: Sequence[Union[str, Path]] = (),
) -> TrainingSets:
    """Read training sets.

    Args:
        folders: formatted sets.
        weights: how often the captions of each set count in an epoch; none or one per set.
        translations: folders of translated captions, as stage 2 leaves them.
        paraphrases: folders of captions that were rewritten, likewise.

    Raises:
        UserError: no set, an id that is in two sets, another number of weights than sets, broken files.
    """
    if not folders:
        raise UserError("--train_data_dir: give at least one formatted training set")
    if weights and len(weights) != len(folders):
        raise UserError(
            f"--train_data_weight: {len(weights)} weights for {len(folders)} training sets; give one each"
        )
    tables = [read_set_table(folder, formatted=True) for folder in folders]
    for number, (folder, table) in enumerate(zip(folders, tables)):
        for before in tables[:number]:
            twice = _shared(before.clip_ids, table.clip_ids)
            twice = twice or _shared(before.caption_ids, table.caption_ids)
            if twice:
                raise UserError(f"{folder}: {twice!r} is also in another training set. Rename one.")
    given = zip(tables, weights)
    return TrainingSets(
        wav_scp=Locations(tables),
        lengths=Column.join([Column(table.clip_ids, table.arrays["lengths"]) for table in tables]),
        originals=CaptionColumns(tables),
        translations=_captions(translations),
        paraphrases=_captions(paraphrases),
        weights=Column.join(
            [
                Column(table.clip_ids, np.full(len(table.clip_ids), weight))
                for table, weight in given
            ]
        ),
    )


def _captions(folders: Sequence[Union[str, Path]]) -> CaptionColumns:
    return CaptionColumns([read_set_table(folder, formatted=False) for folder in folders])


def _shared(ids: np.ndarray, others: np.ndarray) -> Optional[str]:
    """The first id that is in both."""
    both = np.flatnonzero(find_ids(ids, others) >= 0)
    return others[both[0]].decode("utf-8") if len(both) else None


@dataclass(frozen=True)
class TrainingLanguages:
    """The languages that a training hears.

    Attributes:
        originals: of captions as their authors wrote them.
        translations: of translations that may be drawn.
    """

    originals: Set[str]
    translations: Set[str]

    @property
    def source(self) -> Optional[str]:
        """The language of the originals, where they are all in one."""
        return min(self.originals) if len(self.originals) == 1 else None

    @property
    def all(self) -> Set[str]:
        """Those that the model hears."""
        return self.originals | self.translations


def read_training_languages(
    folders: Sequence[Union[str, Path]],
    *,
    translations: Sequence[Union[str, Path]] = (),
    le_langs: Optional[List[str]] = None,
) -> TrainingLanguages:
    """Read which languages the captions of training sets are in, without the captions.

    Args:
        folders: formatted sets.
        translations: folders of translated captions.
        le_langs: languages whose translations are used; None for all.

    Raises:
        UserError: a folder or its `utt2lang` is missing or broken.
    """
    translated = _languages(translations)
    if le_langs is not None:
        translated &= set(le_langs)
    return TrainingLanguages(_languages(folders), translated)


def _languages(folders: Sequence[Union[str, Path]]) -> Set[str]:
    langs: Set[str] = set()
    for folder in folders:
        if not Path(folder).is_dir():
            raise UserError(f"{folder}: no such data directory. Run the stages before this one.")
        langs.update(read_languages(folder))
    return langs
