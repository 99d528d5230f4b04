"""Where to compute, checked before the work begins."""

from typing import TYPE_CHECKING, Union

from espnet_mlclap.utils.errors import UserError

if TYPE_CHECKING:
    import torch


def check_device(name: "Union[str, torch.device]", option: str = "--device") -> "torch.device":
    """The device of this name.

    Args:
        name: "cpu", "cuda", "cuda:1" ...
        option: that named it; comes first in errors.

    Raises:
        UserError: no such kind of device, or none is here.
    """
    import torch

    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise UserError(
            f"{option} {name}: not a device. Give cpu, cuda or cuda:0, cuda:1 ..."
        ) from error
    if device.type == "cuda":
        check_gpus((device.index or 0) + 1, f"{option} {name}", "--device cpu")
    return device


def check_gpus(count: int, option: str, instead: str) -> None:
    """Make sure that there are `count` GPUs.

    Args:
        count: how many.
        option: that asks for them; comes first in errors.
        instead: option for computing without.

    Raises:
        UserError: there are fewer.
    """
    if count < 1:
        return
    import torch

    there = torch.cuda.device_count()  # 0 as well where there is no driver
    if there < count:
        what = "no GPU" if there == 0 else f"only {there} GPU{'s' if there > 1 else ''}"
        raise UserError(
            f"{option}: PyTorch finds {what} here (see nvidia-smi -L and "
            f"CUDA_VISIBLE_DEVICES). Use {instead}, or fewer."
        )
