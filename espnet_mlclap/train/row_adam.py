"""Adam for an embedding of which a step touches few rows: only these have a gradient and are updated.

A batch of 128 captions touches 0.2 % of the 256,206 word vectors of SONAR, but a dense gradient and both
averages of Adam are read and written as a whole in every step. Here (`--sparse_embedding true`) a row that is
not in a batch stays as it is. That is not Adam to the letter, in three ways:

    a row that is not touched does not go on moving by its averages, which do not decay meanwhile either;
    the gradient of the embedding is clipped by itself, to the same norm as that of all other weights;
    there is no weight decay of the embedding.
"""

from typing import Any, Callable, Optional

import torch
from torch import Tensor, nn

from espnet_mlclap.utils.errors import UserError


class RowAdam(torch.optim.SparseAdam):
    """PyTorch's `SparseAdam` for one embedding, in a training whose other weights have gradients as usual.

    Clipping reads the gradients of all weights, and cannot read sparse ones. So the embedding's is taken away
    from it as soon as it is there, summed up over the backward passes of a step, and used by `step`.

    Args:
        embedding: its gradient becomes sparse.
        max_norm: of its gradient in a step.
        lr, betas, eps: as of `torch.optim.Adam`.
    """

    def __init__(self, embedding: nn.Embedding, *, max_norm: float, **settings: Any):
        embedding.sparse = True
        super().__init__([embedding.weight], **settings)
        self._weight = embedding.weight
        self._max_norm = max_norm
        self._gradient: Optional[Tensor] = None
        self._weight.register_post_accumulate_grad_hook(self._take)

    def _take(self, weight: Tensor) -> None:
        new, weight.grad = weight.grad, None
        self._gradient = new if self._gradient is None else self._gradient + new

    @torch.no_grad()
    def step(self, closure: Optional[Callable[[], float]] = None) -> Optional[float]:
        """Update the rows that were touched since `zero_grad`; none where their gradient is not finite."""
        if self._gradient is None:
            return None
        gradient = self._gradient.coalesce()
        norm = gradient.values().norm()
        if not torch.isfinite(norm):
            return None
        self._weight.grad = gradient * (self._max_norm / (norm + 1e-6)).clamp(max=1.0)
        super().step()
        self._weight.grad = None
        return None

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradient."""
        self._gradient = None
        super().zero_grad(set_to_none)


def row_adam(
    embedding: Optional[nn.Embedding], like: torch.optim.Optimizer, max_norm: float
) -> RowAdam:
    """The optimiser of an embedding, with the settings of that of all other weights.

    Raises:
        UserError: the text encoder has no embedding that is trained, or the other optimiser is no Adam.
    """
    if embedding is None or not embedding.weight.requires_grad:
        raise UserError(
            "sparse_embedding: the text encoder has no embedding of tokens that is trained. Set it to false."
        )
    if not isinstance(like, (torch.optim.Adam, torch.optim.AdamW)):
        raise UserError(
            "sparse_embedding: works with optim: adam or adamw, not with others. Set it to false."
        )
    settings = {name: like.defaults[name] for name in ("lr", "betas", "eps")}
    return RowAdam(embedding, max_norm=max_norm, **settings)
