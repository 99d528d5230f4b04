"""What a training reads from disk: formatted sets, and the translations of their captions."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Dict, List, Optional, Sequence, Set, Union

from espnet_mlclap.fileio.data_dir import (
    Caption,
    DataDir,
    read_caption_sources,
    read_captions,
    read_table,
)
from espnet_mlclap.utils.errors import UserError


@dataclass
class TrainingSets:
    """All training sets as one.

    Attributes:
        wav_scp: location of each clip.
        lengths: samples of each clip at 16 kHz.
        originals: captions as their authors wrote them, by id.
        translations: translated captions by id.
        paraphrases: captions by id that say what an original says in other words of its language.
        sources: id of the original by id of the translation or paraphrase, where it is known.
        weights: how often the captions of a clip count in an epoch; empty where no weights are given.
    """

    wav_scp: Dict[str, str] = field(default_factory=dict)
    lengths: Dict[str, float] = field(default_factory=dict)
    originals: Dict[str, Caption] = field(default_factory=dict)
    translations: Dict[str, Caption] = field(default_factory=dict)
    paraphrases: Dict[str, Caption] = field(default_factory=dict)
    sources: Dict[str, str] = field(default_factory=dict)
    weights: Dict[str, float] = field(default_factory=dict)


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
    sets = TrainingSets()
    for number, folder in enumerate(folders):
        data = DataDir.read(folder)
        if "utt2num_samples" not in data.extra:
            raise UserError(f"{folder}/utt2num_samples is missing. Run stage 3 (formatting).")
        twice = set(sets.wav_scp) & set(data.wav_scp) or set(sets.originals) & set(data.captions)
        if twice:
            raise UserError(
                f"{folder}: {min(twice)!r} is also in another training set. Rename one."
            )
        sets.wav_scp.update(data.wav_scp)
        sets.originals.update(data.captions)
        samples = data.extra["utt2num_samples"]
        sets.lengths.update((clip, float(value)) for clip, value in samples.items())
        if weights:
            sets.weights.update(dict.fromkeys(data.wav_scp, weights[number]))
    for folders, found in ((translations, sets.translations), (paraphrases, sets.paraphrases)):
        for folder in folders:
            captions = read_captions(folder)
            found.update(captions)
            sets.sources.update(read_caption_sources(folder, captions))
    return sets


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
        langs.update(read_table(Path(folder) / "utt2lang").values())
    return langs
