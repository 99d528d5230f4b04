"""The one reader of files of tensors: nothing in them runs, and what is broken is not taken for numbers.

`torch.load(weights_only=True)` builds tensors and plain values alone. It does not look at the checksums of
the zip archive that such a file is, and would read four overwritten kilobytes as other weights; here they are
checked.
"""

import zipfile
from pathlib import Path
from typing import Any, Union

import torch

from espnet_mlclap.utils.errors import UserError
from espnet_mlclap.utils.reading import regular_file

_ZIP = b"PK\x03\x04"
_BLOCK = 1 << 22


def read_tensors(path: Union[str, Path]) -> Any:
    """What a file of tensors holds, on the CPU.

    Args:
        path: a `.safetensors` file, or one written by `torch.save`.

    Raises:
        UserError: it is missing or damaged, or holds something other than tensors and plain values.
    """
    path = Path(path)
    if not path.exists():
        raise UserError(
            f"{path}: no such checkpoint. Finish training (stage 5) or name another one."
        )
    regular_file(path)
    if path.suffix != ".safetensors":
        _check_archive(path)
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # noqa: BLE001 - torch raises many kinds for a broken or unsafe file
        reason = next(iter(str(error).splitlines()), "")
        raise UserError(
            f"{path}: refused, because it is not a checkpoint of tensors alone: it holds something else, "
            f"which could run, or it is damaged ({type(error).__name__}: {reason}). Get it from "
            "its publisher again, or save only its state dict."
        ) from error


def _check_archive(path: Path) -> None:
    """Compare the checksums in a file of `torch.save`; its format before 2020 has none."""
    with path.open("rb") as file:
        if file.read(len(_ZIP)) != _ZIP:
            return
    damaged = f"{path}: damaged or cut off"
    try:
        with zipfile.ZipFile(path) as archive:
            for info in archive.infolist():
                if info.compress_type != zipfile.ZIP_STORED:
                    raise UserError(f"{path}: refused, because torch.save does not compress.")
                with archive.open(info) as member:
                    while member.read(_BLOCK):
                        pass
    except (zipfile.BadZipFile, OSError, EOFError, ValueError, RuntimeError) as error:
        raise UserError(f"{damaged} ({error}). Get it again, or train again.") from error
