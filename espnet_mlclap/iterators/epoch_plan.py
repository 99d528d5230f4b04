"""What an epoch consists of: which captions, with which clips, in which batches.

Language enhancement (ML-CLAP, section 2): an epoch is every original caption, plus each translated
caption with probability `le_ratio`, drawn again each epoch. The draw is per translated caption and per
language: at 0.4 with seven languages and one caption per clip there are 1 + 7 x 0.4 = 3.8 captions per clip
(section 4.5). That is the pairing "mixture". Paraphrases, further captions in an original's own
language, are drawn in the same way with a probability of their own. In the other pairings an original and its
translations stay together (the objectives of the same names say what for):

    one_to_k    every original with all of its translations
    co_anchor   every original with one of its translations, in a language that is drawn again each epoch

A plan is plain data: it can be printed, counted and tested without a model or any audio.
"""

import math
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import Dict, Hashable, List, Mapping, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from espnet_mlclap.fileio.data_dir import Caption
from espnet_mlclap.iterators.cut import buckets_by_length, cut
from espnet_mlclap.iterators.pairing import Pairing
from espnet_mlclap.utils.errors import UserError


class ClipCaptions(NamedTuple):
    """One clip of a batch with those of its captions that are in the batch."""

    clip: str
    captions: Tuple[str, ...]
    epoch: int


Batch = List[ClipCaptions]

LE_PAIRINGS = ("mixture", "one_to_k", "co_anchor")
LE_SHARING = ("each", "shared")
CLIP_CAPTIONS = ("all", "one")


@dataclass(frozen=True)
class PlanOptions:
    """Settings of an epoch plan.

    Attributes:
        batch_size: captions in a batch, over all ranks; with another pairing than "mixture", originals,
            with whose translations there are more captions.
        batch_length: most sound in a batch, padding included (the number of its clips times the longest), in
            the unit of the clips' lengths; None for no limit but `batch_size`. Where there are fewer clips
            than ranks, or one alone is left over, a batch may be longer.
        clip_length: of a longer clip no more than this is used, in the same unit.
        paraphrase_ratio: probability of a paraphrase to be in an epoch.
        le_pairing: "mixture", "one_to_k" or "co_anchor"; see above.
        le_ratio: probability of a translated caption to be in an epoch. The other pairings take their
            translations whatever it is, but for 0, which means that there are none.
        le_langs: languages whose translations may be drawn; None for all there are.
        le_sharing: "each": `le_ratio` for each language; "shared": `le_ratio` is divided by the number of
            languages, so that an epoch has the same amount of translations however many languages.
        clip_captions: "all" captions of a clip, or "one", chosen again each epoch: one original, and one
            translation into each language, which `le_ratio` keeps or drops.
        length_buckets: number of groups of clips of similar length; a batch is from one group.
        seed: together with the epoch, decides everything that is drawn.
    """

    batch_size: int = 128
    batch_length: Optional[float] = None
    clip_length: Optional[float] = None
    le_pairing: str = "mixture"
    le_ratio: float = 0.1
    paraphrase_ratio: float = 0.0
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
        if not 0.0 <= self.paraphrase_ratio <= 1.0:
            raise UserError(
                f"paraphrase_ratio must be between 0 and 1, not {self.paraphrase_ratio}"
            )
        if self.le_pairing != "mixture" and self.paraphrase_ratio > 0:
            raise UserError("paraphrase_ratio: only le_pairing: mixture draws paraphrases.")
        if self.le_pairing not in LE_PAIRINGS:
            raise UserError(f"le_pairing must be one of {LE_PAIRINGS}, not {self.le_pairing!r}")
        if self.le_pairing != "mixture" and self.le_ratio == 0:
            raise UserError(
                f"le_pairing: {self.le_pairing} pairs captions with their translations, but le_ratio: 0 "
                "means that there are none. Set it to 1."
            )
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
        paraphrases: captions by id that say what an original says, in its language; likewise.
        sources: id of the original by id of the translation, for pairings other than "mixture".
        clip_weights: how often each clip's captions count in an epoch (1 where it says nothing): 2 takes
            each caption twice, 0.5 takes each with probability one half. For corpora of different sizes.

    Attributes:
        captions: those that may be drawn, by id.
        le_langs: languages whose translations may be drawn.
        pairing: originals with their translations; None for "mixture".

    Raises:
        UserError: an original caption of an unknown clip, a language in `le_langs` without a translation
            although `le_ratio` is above 0, a `batch_length` without room for two clips, or a pairing of
            translations of which nothing says what they were made from.
    """

    def __init__(
        self,
        *,
        lengths: Mapping[str, float],
        originals: Mapping[str, Caption],
        translations: Mapping[str, Caption],
        options: PlanOptions,
        paraphrases: Optional[Mapping[str, Caption]] = None,
        sources: Optional[Mapping[str, str]] = None,
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
        chosen = {key: there[key] for key in self._translations}
        self.captions.update(chosen)
        rewritten = {
            key: caption
            for key, caption in (paraphrases or {}).items()
            if caption.clip in self.lengths and options.paraphrase_ratio > 0
        }
        self._paraphrases = sorted(rewritten)
        self.captions.update(rewritten)
        self._keys = self._originals + self._translations + self._paraphrases
        self.pairing: Optional[Pairing] = None
        if options.le_pairing != "mixture":
            self.pairing = Pairing(originals, chosen, sources or {})
        self._check_batch_length()

    @property
    def draw_probability(self) -> float:
        """Probability of one translated caption to be in an epoch."""
        if self.options.le_sharing == "shared" and self.le_langs:
            return self.options.le_ratio / len(self.le_langs)
        return self.options.le_ratio

    def describe(self) -> str:
        """What an epoch consists of, in words, with what the pairing cannot pair."""
        text = f"{len(self._originals)} captions; "
        if self.pairing is None:
            langs = " ".join(self.le_langs) or "no"
            text += f"language enhancement with {langs} translations at {self.draw_probability:g}"
            if self._paraphrases:
                text += (
                    f"; {len(self._paraphrases)} paraphrases at {self.options.paraphrase_ratio:g}"
                )
            return text
        what = "all of its" if self.options.le_pairing == "one_to_k" else "one of its"
        text += f"with each {what} translations into {' '.join(self.le_langs)}"
        if self.pairing.missing:
            lacking = ", ".join(f"{lang} {count}" for lang, count in self.pairing.missing.items())
            text += f"; captions without a translation: {lacking}"
        if self.pairing.unknown:
            text += f"; {self.pairing.unknown} translations left out, since their originals are not known"
        return text

    def _generator(self, epoch: int) -> np.random.Generator:
        return np.random.default_rng([self.options.seed, epoch])

    def draw(self, epoch: int) -> List[str]:
        """Ids of the captions of an epoch, in a fixed order; the same for the same seed and epoch."""
        groups = self._draw(self._generator(epoch))
        return [key for keys in groups for key in keys]

    def _draw(self, generator: np.random.Generator) -> List[Tuple[str, ...]]:
        """The captions of an epoch; those that must be in the same batch are one tuple."""
        drawn = [self._keys[position] for position in self._drawn(generator).tolist()]
        if self.pairing is None:
            return [(key,) for key in drawn]
        if self.options.le_pairing == "co_anchor":
            partners = self.pairing.one(drawn, generator)
        else:
            partners = self.pairing.all(drawn)
        return [(key, *others) for key, others in zip(drawn, partners)]

    def _drawn(self, generator: np.random.Generator) -> np.ndarray:
        """Positions in `_keys` of the captions of an epoch, but for those that the pairing adds."""
        drawn = np.arange(len(self._originals))
        translations = np.arange(len(drawn), len(drawn) + len(self._translations))
        paraphrases = np.arange(len(drawn) + len(translations), len(self._keys))
        one_per_clip = self.options.clip_captions == "one"
        if one_per_clip:
            owners = [self.captions[key].clip for key in self._originals]
            drawn = _one_each(drawn, owners, generator)
        if self.pairing is None:
            if one_per_clip:
                captions = [self.captions[key] for key in self._translations]
                owners = [(caption.clip, caption.lang) for caption in captions]
                translations = _one_each(translations, owners, generator)
            chance = generator.random(len(translations))
            drawn = np.concatenate([drawn, translations[chance < self.draw_probability]])
            if len(paraphrases):
                chance = generator.random(len(paraphrases))
                drawn = np.concatenate([drawn, paraphrases[chance < self.options.paraphrase_ratio]])
        if not self._clip_weights:
            return drawn
        weights = self._weight_of_key[drawn]
        return np.repeat(drawn, np.floor(weights + generator.random(len(drawn))).astype(int))

    @cached_property
    def _weight_of_key(self) -> np.ndarray:
        weights = self._clip_weights
        return np.array([weights.get(self.captions[key].clip, 1.0) for key in self._keys])

    @cached_property
    def _bucket_of_clip(self) -> Dict[str, int]:
        return buckets_by_length(self.lengths, self.options.length_buckets)

    @cached_property
    def _bucket_of_key(self) -> np.ndarray:
        return np.array([self._bucket_of_clip[self.captions[key].clip] for key in self._keys])

    def count_batches(self, epoch: int, world_size: int = 1) -> int:
        """Number of batches of an epoch, where it can be told without putting them together.

        That is where batches are so much larger than a clip has captions that none needs to be joined with
        another for lack of clips; otherwise they are put together and counted.
        """
        size = self.options.batch_size
        if self.options.batch_length is None:
            drawn = self._bucket_of_key[self._drawn(self._generator(epoch))]
            in_bucket = np.bincount(drawn, minlength=self.options.length_buckets)
            rest = int((in_bucket % size).sum())
            last = rest % size or size
            most = self._most_of_a_clip
            if size > (world_size - 1) * most and last > (max(2, world_size) - 1) * most:
                return int((in_bucket // size).sum()) + -(-rest // size)
        return len(self.batches(epoch, 0, world_size))

    @cached_property
    def _most_of_a_clip(self) -> int:
        """The most that one clip can have in a batch."""
        counted = self._keys if self.pairing is None else self._originals
        counts = Counter(self.captions[key].clip for key in counted)
        times = {clip: math.ceil(self._clip_weights.get(clip, 1.0)) for clip in counts}
        return max((times[clip] * count for clip, count in counts.items()), default=0)

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
        groups = self._draw(generator)
        batches = cut(
            [self.captions[keys[0]].clip for keys in groups],
            self.lengths,
            self._bucket_of_clip,
            generator,
            batch_size=self.options.batch_size,
            batch_length=self.options.batch_length,
            clip_length=self.options.clip_length,
            world_size=world_size,
        )
        return [
            self._by_clip([groups[position] for position in batch], epoch)[rank::world_size]
            for batch in batches
        ]

    def _check_batch_length(self) -> None:
        limit = self.options.batch_length
        longest = max(self.lengths.values(), default=0.0)
        needed = 2 * min(longest, self.options.clip_length or longest)
        if limit is not None and limit < needed:
            raise UserError(
                f"a batch holds {limit / needed:.2f} times the length of two of the longest clips, and a "
                "contrast needs two. Raise batch_seconds, or lower max_seconds."
            )

    def _by_clip(self, groups: Sequence[Tuple[str, ...]], epoch: int) -> Batch:
        by_clip: Dict[str, List[str]] = {}
        for keys in groups:
            by_clip.setdefault(self.captions[keys[0]].clip, []).extend(keys)
        return [ClipCaptions(clip, tuple(keys), epoch) for clip, keys in by_clip.items()]


def _one_each(
    positions: np.ndarray, owners: Sequence[Hashable], generator: np.random.Generator
) -> np.ndarray:
    """One position of each owner, drawn evenly, in the order of the owners."""
    by_owner: Dict[Hashable, List[int]] = {}
    for position, owner in zip(positions.tolist(), owners):
        by_owner.setdefault(owner, []).append(position)
    picks = generator.random(len(by_owner))
    found = [own[int(pick * len(own))] for own, pick in zip(by_owner.values(), picks)]
    return np.array(found, dtype=np.int64)
