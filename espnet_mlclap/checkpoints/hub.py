"""Packed models on the Hugging Face hub."""

import re
from pathlib import Path
from typing import Optional

from espnet_mlclap.fileio.packed import SUFFIXES
from espnet_mlclap.utils.errors import UserError

_NAME = re.compile(r"(?P<repository>[\w.-]+/[\w.-]+)(/(?P<file>.+))?")


def find_packed_model(model: str) -> Path:
    """A packed model on this machine, fetched if need be; without a network what was fetched before.

    Args:
        model: a file; `user/name` of a repository with one packed model in it; `user/name/file`.

    Raises:
        UserError: no such file and no name of a repository; the repository is not there, cannot be
            reached, or holds none or several packed models.
    """
    if Path(model).is_file():
        return Path(model)
    match = _NAME.fullmatch(model)
    if match is None:
        raise UserError(f"{model}: neither a file nor user/name on the Hugging Face hub.")
    folder = _fetch(match["repository"], match["file"])
    found = sorted(path for path in folder.rglob("*") if path.suffix in SUFFIXES)
    if match["file"]:
        found = [path for path in found if path == folder / match["file"]]
    if not found:
        raise UserError(
            f"{model}: no packed model there (a file of stage 8: {', '.join(SUFFIXES)})."
        )
    if len(found) > 1:
        names = ", ".join(str(path.relative_to(folder)) for path in found)
        raise UserError(f"{model}: has several packed models: {names}. Give {model}/FILE.")
    return found[0]


def _fetch(repository: str, file: Optional[str]) -> Path:
    """Folder of the repository's packed models in huggingface_hub's cache."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError

    patterns = [file] if file else [f"*{suffix}" for suffix in SUFFIXES]
    try:
        return Path(snapshot_download(repository, allow_patterns=patterns))
    except (
        OSError,
        HFValidationError,
    ) as error:  # its own errors and those of the network are OSErrors
        reason = " ".join(str(error).split())[:300]
        raise UserError(
            f"{repository}: cannot be fetched from the Hugging Face hub ({reason}). No such "
            "repository, or no network? Then fetch the packed model elsewhere, and give the file instead of "
            "the name."
        ) from error
