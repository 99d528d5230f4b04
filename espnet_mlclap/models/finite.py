"""Embeddings are numbers: what a model makes NaN or infinity of is named, and goes no further."""

from typing import Sequence

import numpy as np

from espnet_mlclap.fileio.audio import AudioError
from espnet_mlclap.utils.errors import UserError


def check_clips(vectors: np.ndarray, names: Sequence[str]) -> None:
    """Make sure that the embeddings of clips are finite.

    Args:
        vectors: [clips, E].
        names: of the clips, for the error.

    Raises:
        AudioError: names the first clip with NaN or infinity.
    """
    bad = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
    if len(bad):
        raise AudioError(
            f"{names[bad[0]]}: the model makes NaN or infinity of it. Its samples are out of bounds (they "
            "go from -1 to 1), or the model has diverged."
        )


def check_captions(vectors: np.ndarray, captions: Sequence[str]) -> None:
    """Make sure that the embeddings of captions are finite.

    Args:
        vectors: [captions, E].
        captions: for the error.

    Raises:
        UserError: quotes the first caption with NaN or infinity.
    """
    bad = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
    if len(bad):
        raise UserError(
            f"{captions[bad[0]]!r}: the model makes NaN or infinity of this caption. It has diverged."
        )
