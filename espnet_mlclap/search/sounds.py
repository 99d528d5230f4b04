"""A recording as a question: its windows, the first few minutes of them."""

from itertools import islice
from pathlib import Path
from typing import Tuple, Union

from espnet_mlclap.search.windows import Window, WindowPlan, read_windows

_MOST_WINDOWS = 60


def read_sound(path: Union[str, Path], plan: WindowPlan) -> Tuple[Window, ...]:
    """The windows of a recording that something is to sound like; of a long one the first 60.

    Args:
        path: any audio file.
        plan: how the library's recordings are cut, so that like is compared with like.

    Raises:
        AudioError: it cannot be read.
    """
    return tuple(islice(read_windows(path, plan), _MOST_WINDOWS))
