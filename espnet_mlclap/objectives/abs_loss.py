"""What the model asks of a training objective."""

from abc import ABC, abstractmethod
from typing import ClassVar, Dict, Tuple

import torch
from torch import Tensor


class AbsLoss(torch.nn.Module, ABC):
    """Embeddings of a batch in, a number to minimise out.

    Attributes:
        needs: names of further tensors of the batch (`espnet_mlclap.train.collate_fn`) that `forward` takes.
    """

    needs: ClassVar[Tuple[str, ...]] = ()

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
            The loss (a scalar, mean over the B captions of this rank) and numbers to report.
        """
