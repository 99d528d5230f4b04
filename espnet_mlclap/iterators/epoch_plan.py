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

from functools import cached_property, partial
from typing import Dict, List, Mapping, Optional

import numpy as np

from espnet_mlclap.fileio.caption_columns import CaptionColumns, CaptionsInOrder
from espnet_mlclap.fileio.columns import Column, find_ids
from espnet_mlclap.iterators.cut import buckets_by_length, cut
from espnet_mlclap.iterators.drawn import Drawn, one_each
from espnet_mlclap.iterators.epoch import Batch, ClipCaptions, Epoch, EpochBatches
from espnet_mlclap.iterators.pairing import Pairing
from espnet_mlclap.iterators.plan_options import PlanOptions
from espnet_mlclap.utils.errors import UserError


class EpochPlan:
    """Draws the captions of each epoch and puts them into batches.

    Captions and clips are columns and what is drawn are positions in them: ids are made of the batch that
    somebody asks for. So an epoch of millions of captions costs little time and memory.

    Args:
        lengths: length of each clip in any one unit.
        originals: captions as their authors wrote them.
        translations: translated captions, with what they were made from for pairings other than "mixture";
            those of clips that are not in `lengths` are left out.
        options: the settings.
        paraphrases: captions that say what an original says, in its language; likewise.
        clip_weights: how often each clip's captions count in an epoch (1 where it says nothing): 2 takes
            each caption twice, 0.5 takes each with probability one half. For corpora of different sizes.

    Attributes:
        captions: those that may be drawn, by id.
        lengths: of the clips, by id.
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
        originals: CaptionColumns,
        translations: CaptionColumns,
        options: PlanOptions,
        paraphrases: Optional[CaptionColumns] = None,
        clip_weights: Optional[Mapping[str, float]] = None,
    ):
        self.options = options
        self.lengths = Column.of(lengths)
        self._lengths = self.lengths.values_by_row.astype(np.float64)
        clip_ids = self.lengths.ids
        translations = translations.only(clips=clip_ids)
        self.le_langs = self._choose_langs(translations.langs)
        if paraphrases is None or options.paraphrase_ratio == 0:
            paraphrases = CaptionColumns()
        groups = [
            originals,
            translations.only(langs=self.le_langs),
            paraphrases.only(clips=clip_ids),
        ]
        self._langs = sorted({lang for group in groups for lang in group.langs})
        self.captions, self._order = CaptionColumns.in_groups(groups, clip_ids, self._langs)
        self._counts = [len(group) for group in groups]
        self._check_clips()
        self._weights = self._weights_of_clips(clip_weights or {})
        self.pairing: Optional[Pairing] = None
        if options.le_pairing != "mixture":
            self.pairing = self._pair()
        self._check_batch_length()

    def _choose_langs(self, there: List[str]) -> List[str]:
        """Languages whose translations are drawn, of those that there are."""
        wanted = self.options.le_langs
        if self.options.le_ratio == 0:
            return []
        for lang in wanted or ():
            if lang not in there:
                raise UserError(
                    f"le_langs: there is no translation in {lang!r}; available: {' '.join(there)}"
                )
        return [lang for lang in there if wanted is None or lang in wanted]

    def _check_clips(self) -> None:
        missing = np.flatnonzero(self._order.clip < 0)
        if len(missing):
            key = self._id(missing[0])
            raise UserError(
                f"the caption {key!r} belongs to the clip {self.captions[key].clip!r}, which is missing"
            )

    def _weights_of_clips(self, weights: Mapping[str, float]) -> Optional[np.ndarray]:
        if not weights:
            return None
        given = Column.of(weights)
        rows = find_ids(given.ids, self.lengths.ids)
        return np.where(rows < 0, 1.0, given.values_by_row[rows])

    def _pair(self) -> Pairing:
        originals, translations = self._counts[0], slice(self._counts[0], sum(self._counts[:2]))
        own = CaptionsInOrder(*(column[:originals] for column in self._order))
        others = CaptionsInOrder(*(column[translations] for column in self._order))
        return Pairing(
            self.captions.ids_in_order(own),
            self.captions.sources_in_order(others),
            others.lang,
            self._langs,
        )

    @property
    def draw_probability(self) -> float:
        """Probability of one translated caption to be in an epoch."""
        if self.options.le_sharing == "shared" and self.le_langs:
            return self.options.le_ratio / len(self.le_langs)
        return self.options.le_ratio

    def describe(self) -> str:
        """What an epoch consists of, in words, with what the pairing cannot pair."""
        originals, _, paraphrases = self._counts
        text = f"{originals} captions; "
        if self.pairing is None:
            langs = " ".join(self.le_langs) or "no"
            text += f"language enhancement with {langs} translations at {self.draw_probability:g}"
            if paraphrases:
                text += f"; {paraphrases} paraphrases at {self.options.paraphrase_ratio:g}"
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

    def _id(self, position: int) -> str:
        return self.captions.id_at(self._order.part[position], self._order.row[position])

    def draw(self, epoch: int) -> List[str]:
        """Ids of the captions of an epoch, in a fixed order; the same for the same seed and epoch."""
        drawn = self._draw(self._generator(epoch))
        positions = (position for place in range(len(drawn.own)) for position in drawn.group(place))
        return [self._id(position) for position in positions]

    def _draw(self, generator: np.random.Generator) -> Drawn:
        """The captions of an epoch, with those that must be in the same batch."""
        drawn = self._drawn(generator)
        if self.pairing is not None and self.options.le_pairing == "co_anchor":
            return Drawn(drawn, partners=self.pairing.one(drawn, generator))
        return Drawn(drawn, pairing=self.pairing)

    def _drawn(self, generator: np.random.Generator) -> np.ndarray:
        """Positions of the captions of an epoch, but for those that the pairing adds."""
        ends = np.cumsum(self._counts)
        drawn, translations, paraphrases = (
            np.arange(end - count, end, dtype=np.int32) for count, end in zip(self._counts, ends)
        )
        one_per_clip = self.options.clip_captions == "one"
        if one_per_clip:
            drawn = one_each(drawn, self._order.clip[drawn], generator)
        if self.pairing is None:
            if one_per_clip:
                owners = self._order.clip[translations].astype(np.int64) * len(self._langs)
                owners += self._order.lang[translations]
                translations = one_each(translations, owners, generator)
            chance = generator.random(len(translations))
            drawn = np.concatenate([drawn, translations[chance < self.draw_probability]])
            if len(paraphrases):
                chance = generator.random(len(paraphrases))
                drawn = np.concatenate([drawn, paraphrases[chance < self.options.paraphrase_ratio]])
        if self._weights is None:
            return drawn
        weights = self._weights[self._order.clip[drawn]]
        return np.repeat(drawn, np.floor(weights + generator.random(len(drawn))).astype(int))

    @cached_property
    def _bucket_of_clip(self) -> np.ndarray:
        return buckets_by_length(self._lengths, self.options.length_buckets)

    def count_batches(self, epoch: int, world_size: int = 1) -> int:
        """Number of batches of an epoch, where it can be told without putting them together.

        That is where batches are so much larger than a clip has captions that none needs to be joined with
        another for lack of clips; otherwise they are put together and counted.
        """
        size = self.options.batch_size
        if self.options.batch_length is None:
            drawn = self._order.clip[self._drawn(self._generator(epoch))]
            buckets = self._bucket_of_clip[drawn]
            in_bucket = np.bincount(buckets, minlength=self.options.length_buckets)
            rest = int((in_bucket % size).sum())
            last = rest % size or size
            most = self._most_of_a_clip
            if size > (world_size - 1) * most and last > (max(2, world_size) - 1) * most:
                return int((in_bucket // size).sum()) + -(-rest // size)
        return len(self.batches(epoch, 0, world_size))

    @cached_property
    def _most_of_a_clip(self) -> int:
        """The most that one clip can have in a batch."""
        counted = slice(None) if self.pairing is None else slice(self._counts[0])
        counts = np.bincount(self._order.clip[counted], minlength=len(self.lengths))
        times = 1 if self._weights is None else np.ceil(self._weights).astype(int)
        return int((times * counts).max(initial=0))

    def count(self, epoch: int) -> Dict[str, int]:
        """Number of captions of an epoch by language."""
        drawn = self._draw(self._generator(epoch)).positions()
        counts = np.bincount(self._order.lang[drawn], minlength=len(self._langs))
        return {lang: int(count) for lang, count in zip(self._langs, counts) if count}

    def batches(self, epoch: int, rank: int = 0, world_size: int = 1) -> EpochBatches:
        """Batches of an epoch for one rank.

        Every drawn caption is in one batch; a clip appears once in a batch, with all of its captions that
        are there. Every rank gets the same number of batches and a share of each: where a batch has fewer
        clips than there are ranks, it is put together with the next.

        Raises:
            UserError: the epoch has fewer clips than there are ranks.
        """
        generator = self._generator(epoch)
        drawn = self._epoch(epoch, generator)
        batches = self.cut(drawn.clips, generator, world_size=world_size)
        return EpochBatches(batches, lambda places: drawn.batch(places)[rank::world_size])

    def epoch(self, epoch: int) -> Epoch:
        """What `batches` puts into batches, in the order in which it was drawn."""
        return self._epoch(epoch, self._generator(epoch))

    def _epoch(self, epoch: int, generator: np.random.Generator) -> Epoch:
        drawn = self._draw(generator)
        return Epoch(self._order.clip[drawn.own], partial(self._batch, drawn, epoch))

    def cut(
        self,
        clips: np.ndarray,
        generator: np.random.Generator,
        *,
        world_size: int = 1,
        share: int = 1,
    ) -> List[np.ndarray]:
        """Put things that were drawn into batches; see `cut.py`.

        Args:
            clips: rows in `lengths`, [n].
            generator: shuffles.
            world_size: ranks that each need a clip of every batch.
            share: batches are smaller by so many times than the settings say.

        Returns:
            Positions in `clips`, each once, by batch.
        """
        length = self.options.batch_length
        return cut(
            clips,
            self._lengths,
            self._bucket_of_clip,
            generator,
            batch_size=max(1, round(self.options.batch_size / share)),
            batch_length=None if length is None else length / share,
            clip_length=self.options.clip_length,
            world_size=world_size,
        )

    def _check_batch_length(self) -> None:
        limit = self.options.batch_length
        longest = self._lengths.max(initial=0.0)
        needed = 2 * min(longest, self.options.clip_length or longest)
        if limit is not None and limit < needed:
            raise UserError(
                f"a batch holds {limit / needed:.2f} times the length of two of the longest clips, and a "
                "contrast needs two. Raise batch_seconds, or lower max_seconds."
            )

    def _batch(self, drawn: Drawn, epoch: int, places: np.ndarray) -> Batch:
        """Some of what was drawn, by clip, with the ids."""
        by_clip: Dict[int, List[str]] = {}
        for place, clip in zip(places, self._order.clip[drawn.own[places]].tolist()):
            by_clip.setdefault(clip, []).extend(map(self._id, drawn.group(place)))
        clip_ids = self.lengths.ids
        return [
            ClipCaptions(clip_ids[clip].decode("utf-8"), tuple(keys), epoch)
            for clip, keys in by_clip.items()
        ]
