"""Arrays in `.npy` files from elsewhere: nothing runs, and a size that the file does not have is noticed."""

from pathlib import Path
from tokenize import TokenError  # numpy parses old headers with it
from typing import Union

import numpy as np

from espnet_mlclap.utils.errors import UserError
from espnet_mlclap.utils.reading import regular_file
from espnet_mlclap.utils.resources import is_shortage
from espnet_mlclap.utils.shown import shown


def read_array(path: Union[str, Path]) -> np.ndarray:
    """The array in a `.npy` file, read as it is used; `np.array` of it is in memory.

    Raises:
        UserError: it cannot be read, is no such file, holds objects, or is shorter than its header says.
    """
    path = regular_file(path)
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError, OverflowError, SyntaxError, TokenError) as error:
        if is_shortage(error):
            raise
        raise UserError(f"{shown(path)}: cannot be read as a numpy array ({error}).") from error
    if not isinstance(array, np.ndarray):
        raise UserError(f"{shown(path)}: several arrays, where one is needed.")
    return array
