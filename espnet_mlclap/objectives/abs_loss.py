"""What the model asks of a training objective."""

from abc import ABC, abstractmethod
from typing import ClassVar, Dict, Tuple

import torch
from torch import Tensor


class AbsLoss(torch.nn.Module, ABC):
    """Embeddings of a batch in, a number to minimise out.

    Attributes:
        needs: names of further tensors of the batch (`espnet_mlclap.train.collate_fn`) that `forward` takes.
        takes_groups: whether `forward` also takes `clip_group`, [U] int64: the same number for rows of
            `audio` that are parts of one clip, so that a caption of one belongs to all of them.
        between_languages: whether captions in different languages are compared with each other, too.
        gather_across_ranks: with several ranks, whether clips and captions of all of them are contrasted.
    """

    needs: ClassVar[Tuple[str, ...]] = ()
    takes_groups: ClassVar[bool] = False
    between_languages: bool = False
    gather_across_ranks: bool = True

    @abstractmethod
    def forward(
        self, audio: Tensor, text: Tensor, clip_index: Tensor, **needed: Tensor
    ) -> Tuple[Tensor, Dict[str, Tensor]]:
        """Loss of a batch of U clips and B captions.

        Args:
            audio: [U, E] L2-normalised embeddings, one per distinct clip.
            text: [B, E] L2-normalised embeddings.
            clip_index: [B] int64, the row of `audio` that each caption belongs to.
            needed: the tensors that `needs` names.

        Returns:
            The loss (a scalar, mean over the B captions of this rank; 0 where this rank has none of what the
            ranks contrast together) and numbers to report.
        """

    def of_similarities(
        self, similarity: Tensor, clip_index: Tensor, **needed: Tensor
    ) -> Tuple[Tensor, Dict[str, Tensor]]:
        """The same of similarities instead of embeddings: for a model that scores pairs.

        Args:
            similarity: [B, U] of each caption to each clip, in [-1, 1]; -inf for a pair that does not count.
                With several ranks, all of what is contrasted: nothing is gathered here.
            clip_index, needed: as in `forward`.

        Raises:
            NotImplementedError: this loss needs embeddings.
        """
        raise NotImplementedError


def mean_of(values: Tensor) -> Tensor:
    """Mean of one value per caption, [B]; 0 where there is none."""
    return values.sum() / max(len(values), 1)
