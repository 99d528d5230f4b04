"""Settings of an epoch plan."""

from dataclasses import dataclass
from typing import Optional, Sequence

from espnet_mlclap.utils.errors import UserError

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
        le_pairing: "mixture", "one_to_k" or "co_anchor"; see `epoch_plan.py`.
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
