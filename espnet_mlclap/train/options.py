"""Options of ESPnet's trainer that this project does not support are refused, not ignored."""

import argparse
from typing import Any, Collection, Mapping, Sequence, Tuple

from espnet_mlclap.utils.errors import UserError

_NO_ITERATORS = "the epoch plan draws the batches"
# option -> (what it must be, why or what to do instead)
_FIXED: Mapping[str, Tuple[Any, str]] = {
    "iterator_type": ("task", "an epoch is drawn by the epoch plan"),
    "valid_iterator_type": (None, "validation always embeds the whole set"),
    "multiple_iterator": (False, _NO_ITERATORS),
    "num_iters_per_epoch": (None, _NO_ITERATORS),
    "collect_stats": (False, "stage 3 writes the lengths of clips"),
    "use_amp": (False, "model_conf: {amp_dtype: bfloat16} computes the towers in bfloat16"),
    "train_dtype": ("float32", "model_conf: {amp_dtype: bfloat16} computes the towers in bfloat16"),
    "sharded_ddp": (False, "it needs fairscale, which is no longer maintained"),
    "use_deepspeed": (False, "it has a trainer of its own"),
    "use_adapter": (False, "adapters are not known to checkpoints and inference"),
    "ddp_comm_hook": (None, "gradients are exchanged as they are"),
    "num_att_plot": (0, "there are no plots of attention"),
    "no_forward_run": (False, "nothing would be trained"),
    "nbest_averaging_interval": (0, "means of the best epochs are written at the end"),
    "wandb_model_log_interval": (-1, "models are not sent to Weights & Biases"),
    "create_graph_in_tensorboard": (
        False,
        "the graph of a batch of captions and clips says nothing",
    ),
}
_MODES = ("max", "min")


def check_options(args: argparse.Namespace) -> None:
    """Make sure that ESPnet's options ask for nothing that the trainer does not do.

    Raises:
        UserError: names the option, what it must be, and why.
    """
    for name, (value, reason) in _FIXED.items():
        given = getattr(args, name)
        if given != value:
            wanted = "null" if value is None else str(value).lower()
            raise UserError(f"{name} must be {wanted}, not {given}: {reason}.")
    if args.ngpu > 1 and not args.multiprocessing_distributed:
        raise UserError(
            f"--ngpu {args.ngpu} needs --multiprocessing_distributed true: one process for each GPU."
        )
    counts = args.keep_nbest_models
    if min([counts] if isinstance(counts, int) else counts, default=0) < 1:
        raise UserError(f"keep_nbest_models: {counts}: must name numbers of 1 or more.")


def check_criteria(
    option: str, criteria: Sequence[Sequence[str]], reported: Mapping[str, Collection[str]]
) -> None:
    """Make sure that each (phase, name, mode) is one that is reported; ESPnet would silently ignore it.

    Args:
        option: that the criteria are from.
        criteria: triples, or pairs without the mode.
        reported: names by phase ("train", "valid").

    Raises:
        UserError: names the option and those that exist.
    """
    for criterion in criteria:
        phase, name, *mode = criterion
        if name not in reported.get(phase, ()) or any(one not in _MODES for one in mode):
            choices = "; ".join(f"{phase}: {', '.join(names)}" for phase, names in reported.items())
            raise UserError(
                f"{option}: {','.join(criterion)} is never reported. Choose phase and name from {choices}, "
                "and max or min."
            )
