"""What is drawn for an epoch, as positions of captions."""

from typing import List, NamedTuple, Optional

import numpy as np

from espnet_mlclap.iterators.pairing import Pairing


class Drawn(NamedTuple):
    """What an epoch consists of, as positions of captions.

    Attributes:
        own: of each group that stays together the first, [n].
        partners: one more of each group, -1 for none, [n].
        pairing: gives all others of each group.
    """

    own: np.ndarray
    partners: Optional[np.ndarray] = None
    pairing: Optional[Pairing] = None

    def group(self, place: int) -> List[int]:
        """The captions of one group."""
        own = self.own[place]
        if self.partners is not None:
            return [own, self.partners[place]] if self.partners[place] >= 0 else [own]
        return [own] if self.pairing is None else [own, *self.pairing.of(own)]

    def positions(self) -> np.ndarray:
        """All captions, in any order."""
        if self.partners is not None:
            return np.concatenate([self.own, self.partners[self.partners >= 0]])
        return (
            self.own
            if self.pairing is None
            else np.concatenate([self.own, self.pairing.all(self.own)])
        )


def one_each(
    positions: np.ndarray, owners: np.ndarray, generator: np.random.Generator
) -> np.ndarray:
    """One position of each owner, drawn evenly, in the order in which the owners appear."""
    _, first, owner, counts = np.unique(
        owners, return_index=True, return_inverse=True, return_counts=True
    )
    appearance = np.argsort(first)
    picks = (generator.random(len(counts)) * counts[appearance]).astype(int)
    by_owner = np.argsort(owner, kind="stable")
    starts = np.cumsum(counts) - counts
    return positions[by_owner[starts[appearance] + picks]]
