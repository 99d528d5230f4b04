"""What an epoch consists of: which captions, with which clips, in which batches.

Language enhancement (ML-CLAP, section 2): an epoch is every original caption, plus each translated
caption with probability `le_ratio`, drawn again each epoch. The draw is per translated caption and per
language: at 0.4 with seven languages and one caption per clip there are 1 + 7 x 0.4 = 3.8 captions per clip
(section 4.5).

A plan is plain data: it can be printed, counted and tested without a model or any audio.
"""

from collections import Counter
from dataclasses import dataclass
from typing import Dict, Hashable, List, Mapping, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from espnet_mlclap.fileio.data_dir import Caption
from espnet_mlclap.utils.errors import UserError


class ClipCaptions(NamedTuple):
    """One clip of a batch with those of its captions that are in the batch."""

    clip: str
    captions: Tuple[str, ...]
    epoch: int


Batch = List[ClipCaptions]

LE_SHARING = ("each", "shared")
CLIP_CAPTIONS = ("all", "one")


@dataclass(frozen=True)
class PlanOptions:
    """Settings of an epoch plan.

    Attributes:
        batch_size: clip-caption pairs in a batch, over all ranks.
        le_ratio: probability of a translated caption to be in an epoch.
        le_langs: languages whose translations may be drawn; None for all there are.
        le_sharing: "each": `le_ratio` for each language; "shared": `le_ratio` is divided by the number of
            languages, so that an epoch has the same amount of translations however many languages.
        clip_captions: "all" captions of a clip, or "one", chosen again each epoch: one original, and one
            translation into each language, which `le_ratio` keeps or drops.
        length_buckets: number of groups of clips of similar length; a batch is from one group.
        seed: together with the epoch, decides everything that is drawn.
    """

    batch_size: int = 128
    le_ratio: float = 0.1
    le_langs: Optional[Sequence[str]] = None
    le_sharing: str = "each"
    clip_captions: str = "all"
    length_buckets: int = 8
    seed: int = 0

    def __post_init__(self) -> None:
        if self.batch_size < 2:
            raise UserError(f"batch_size must be at least 2 (a contrast), not {self.batch_size}")
        if not 0.0 <= self.le_ratio <= 1.0:
            raise UserError(f"le_ratio must be between 0 and 1, not {self.le_ratio}")
        if self.le_sharing not in LE_SHARING:
            raise UserError(f"le_sharing must be one of {LE_SHARING}, not {self.le_sharing!r}")
        if self.clip_captions not in CLIP_CAPTIONS:
            raise UserError(
                f"clip_captions must be one of {CLIP_CAPTIONS}, not {self.clip_captions!r}"
            )
        if self.length_buckets < 1:
            raise UserError(f"length_buckets must be at least 1, not {self.length_buckets}")


class EpochPlan:
    """Draws the captions of each epoch and puts them into batches.

    Args:
        lengths: length of each clip in any one unit.
        originals: captions by id as their authors wrote them.
        translations: translated captions by id; those of clips that are not in `lengths` are left out.
        options: the settings.
        clip_weights: how often each clip's captions count in an epoch (1 where it says nothing): 2 takes
            each caption twice, 0.5 takes each with probability one half. For corpora of different sizes.

    Raises:
        UserError: an original caption of an unknown clip, or a language in `le_langs` without a
            translation although `le_ratio` is above 0.
    """

    def __init__(
        self,
        *,
        lengths: Mapping[str, float],
        originals: Mapping[str, Caption],
        translations: Mapping[str, Caption],
        options: PlanOptions,
        clip_weights: Optional[Mapping[str, float]] = None,
    ):
        self.options = options
        self.lengths = dict(lengths)
        self.captions: Dict[str, Caption] = dict(originals)
        self._clip_weights = dict(clip_weights or {})
        for key, caption in originals.items():
            if caption.clip not in self.lengths:
                raise UserError(
                    f"the caption {key!r} belongs to the clip {caption.clip!r}, which is missing"
                )
        self._originals = sorted(originals)
        there = {
            key: caption for key, caption in translations.items() if caption.clip in self.lengths
        }
        langs = sorted({caption.lang for caption in there.values()})
        if options.le_langs is not None and options.le_ratio > 0:
            for lang in options.le_langs:
                if lang not in langs:
                    raise UserError(
                        f"le_langs: there is no translation in {lang!r}; available: {' '.join(langs)}"
                    )
            langs = [lang for lang in langs if lang in options.le_langs]
        self.le_langs = langs if options.le_ratio > 0 else []
        self._translations = sorted(key for key in there if there[key].lang in self.le_langs)
        self.captions.update((key, there[key]) for key in self._translations)

    @property
    def draw_probability(self) -> float:
        """Probability of one translated caption to be in an epoch."""
        if self.options.le_sharing == "shared" and self.le_langs:
            return self.options.le_ratio / len(self.le_langs)
        return self.options.le_ratio

    def _generator(self, epoch: int) -> np.random.Generator:
        return np.random.default_rng([self.options.seed, epoch])

    def draw(self, epoch: int) -> List[str]:
        """Ids of the captions of an epoch, in a fixed order; the same for the same seed and epoch."""
        return self._draw(self._generator(epoch))

    def _draw(self, generator: np.random.Generator) -> List[str]:
        originals, translations = self._originals, self._translations
        if self.options.clip_captions == "one":
            captions = self.captions
            originals = _one_each(originals, [captions[key].clip for key in originals], generator)
            owners = [(captions[key].clip, captions[key].lang) for key in translations]
            translations = _one_each(translations, owners, generator)
        chance = generator.random(len(translations))
        drawn = [key for key, value in zip(translations, chance) if value < self.draw_probability]
        keys = originals + drawn
        if not self._clip_weights:
            return keys
        weights = np.array([self._clip_weights.get(self.captions[key].clip, 1.0) for key in keys])
        times = np.floor(weights + generator.random(len(keys))).astype(int)
        return [key for key, count in zip(keys, times) for _ in range(count)]

    def count(self, epoch: int) -> Dict[str, int]:
        """Number of captions of an epoch by language."""
        return dict(sorted(Counter(self.captions[key].lang for key in self.draw(epoch)).items()))

    def batches(self, epoch: int, rank: int = 0, world_size: int = 1) -> List[Batch]:
        """Batches of an epoch for one rank.

        Every drawn caption is in one batch; a clip appears once in a batch, with all of its captions that
        are there. Every rank gets the same number of batches and a share of each: where a batch has fewer
        clips than there are ranks, it is put together with the next.

        Raises:
            UserError: the epoch has fewer clips than there are ranks.
        """
        generator = self._generator(epoch)
        pairs = self._draw(generator)
        return [
            self._share(batch, epoch, rank, world_size)
            for batch in self._cut(pairs, generator, world_size)
        ]

    def _cut(
        self, pairs: List[str], generator: np.random.Generator, world_size: int
    ) -> List[List[str]]:
        """Shuffle pairs within buckets of clips of similar length and cut them into batches."""
        size = self.options.batch_size
        order = generator.permutation(len(pairs))
        shuffled = [pairs[index] for index in order]
        rank_of = {key: rank for rank, key in enumerate(sorted(self.lengths, key=self._length_key))}
        buckets: List[List[str]] = [[] for _ in range(self.options.length_buckets)]
        for key in shuffled:
            position = rank_of[self.captions[key].clip] * len(buckets) // len(rank_of)
            buckets[position].append(key)
        batches, rest = [], []
        for bucket in buckets:
            whole = len(bucket) // size * size
            batches += [bucket[start : start + size] for start in range(0, whole, size)]
            rest += bucket[whole:]
        batches += [rest[start : start + size] for start in range(0, len(rest), size)]
        batches = self._joined(batches, world_size)
        if len(batches) > 1 and self._clips(batches[-1]) < max(2, world_size):
            batches[-2].extend(batches.pop())
        if batches and self._clips(batches[-1]) < world_size:
            raise UserError(
                f"an epoch has captions of {self._clips(pairs)} clips, but there are {world_size} ranks, "
                "each of which needs one in every batch. Train with fewer GPUs (--ngpu)."
            )
        return [batches[index] for index in generator.permutation(len(batches))]

    def _joined(self, batches: Sequence[List[str]], world_size: int) -> List[List[str]]:
        joined: List[List[str]] = []
        for batch in batches:
            if joined and self._clips(joined[-1]) < world_size:
                joined[-1].extend(batch)
            else:
                joined.append(batch)
        return joined

    def _length_key(self, clip: str) -> Tuple[float, str]:
        return self.lengths[clip], clip

    def _clips(self, keys: Sequence[str]) -> int:
        return len({self.captions[key].clip for key in keys})

    def _share(self, keys: Sequence[str], epoch: int, rank: int, world_size: int) -> Batch:
        by_clip: Dict[str, List[str]] = {}
        for key in keys:
            by_clip.setdefault(self.captions[key].clip, []).append(key)
        grouped = [ClipCaptions(clip, tuple(keys), epoch) for clip, keys in by_clip.items()]
        return grouped[rank::world_size]


def _one_each(
    keys: Sequence[str], owners: Sequence[Hashable], generator: np.random.Generator
) -> List[str]:
    """One key of each owner, drawn evenly, in the order of the owners."""
    by_owner: Dict[Hashable, List[str]] = {}
    for key, owner in zip(keys, owners):
        by_owner.setdefault(owner, []).append(key)
    picks = generator.random(len(by_owner))
    return [found[int(pick * len(found))] for found, pick in zip(by_owner.values(), picks)]
