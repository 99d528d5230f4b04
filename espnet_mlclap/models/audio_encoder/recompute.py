"""Gradient checkpointing: less memory while training, for one more forward pass (arXiv:1604.06174)."""

from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import Any, Callable, Iterator, Tuple

import torch
from torch.utils.checkpoint import checkpoint


def recompute_in_backward(block: torch.nn.Module) -> None:
    """Make a block keep its inputs alone while training, and compute the rest again for the gradients.

    Outputs, gradients, running statistics and the names in the state dict stay the same; dropout drops
    the same again.
    """
    block.forward = partial(_forward, block, block.forward)


def _forward(block: torch.nn.Module, forward: Callable, *inputs: Any) -> Any:
    if not (block.training and torch.is_grad_enabled()):
        return forward(*inputs)

    def contexts() -> Tuple[AbstractContextManager, AbstractContextManager]:
        return nullcontext(), _running_statistics_kept(block)

    return checkpoint(forward, *inputs, use_reentrant=False, context_fn=contexts)


@contextmanager
def _running_statistics_kept(block: torch.nn.Module) -> Iterator[None]:
    """Batch normalisation that has counted this batch already does not count it again.

    `track_running_stats` would not do: what a block keeps must be the same both times.
    """
    norms = [part for part in block.modules() if isinstance(part, torch.nn.BatchNorm1d)]
    before = [(norm.momentum, norm.num_batches_tracked) for norm in norms]
    for norm in norms:
        norm.momentum, norm.num_batches_tracked = 0.0, None
    try:
        yield
    finally:
        for norm, (momentum, count) in zip(norms, before):
            norm.momentum, norm.num_batches_tracked = momentum, count
