"""Gradient checkpointing: less memory while training, for one more forward pass (arXiv:1604.06174)."""

from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import Iterator, Tuple

import torch
from torch.nn.modules.batchnorm import _BatchNorm


def recompute_in_backward(blocks: torch.nn.ModuleList) -> None:
    """Make blocks keep only their inputs while training, and compute the rest again for the gradients.

    Each block is put into torch's wrapper for this, which keeps the names in the state dict. Outputs,
    gradients and running statistics stay the same; dropout drops the same again.
    """
    # a second of imports, for those who want it
    from torch.distributed.algorithms._checkpoint.checkpoint_wrapper import checkpoint_wrapper

    for position, block in enumerate(blocks):
        blocks[position] = checkpoint_wrapper(block, context_fn=partial(repeated, block))


def repeated(block: torch.nn.Module) -> Tuple[AbstractContextManager, AbstractContextManager]:
    """What surrounds the forward pass of a block, and its repetition, for torch's checkpoint."""
    return nullcontext(), _running_statistics_kept(block)


@contextmanager
def _running_statistics_kept(block: torch.nn.Module) -> Iterator[None]:
    """Batch normalisation that has counted this batch already does not count it again.

    `track_running_stats` would not do: what a block keeps must be the same both times.
    """
    norms = [part for part in block.modules() if isinstance(part, _BatchNorm)]
    before = [(norm.momentum, norm.num_batches_tracked) for norm in norms]
    for norm in norms:
        norm.momentum, norm.num_batches_tracked = 0.0, None
    try:
        yield
    finally:
        for norm, (momentum, count) in zip(norms, before):
            norm.momentum, norm.num_batches_tracked = momentum, count
