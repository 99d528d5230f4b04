"""How much sound a batch may have."""

import numpy as np
import pytest

from espnet_mlclap.fileio.audio import SAMPLING_RATE
from espnet_mlclap.iterators.cut import most_sound


@pytest.mark.parametrize(
    ("seconds", "options", "most"),
    [
        ([5.0] * 100, {}, None),
        ([30.0] * 100, {"batch_size": 512}, None),  # large, as it was asked for
        ([5.0] * 99 + [60.0], {"batch_size": 64}, None),  # an hour of sound is no harm
        ([5.0] * 99 + [1200.0], {"batch_size": 22}, 7200.0),
        ([5.0] * 99 + [5000.0], {"batch_size": 22}, 10000.0),  # room for two
        ([5.0] * 99 + [5000.0], {"batch_size": 22, "max_seconds": 30.0}, None),
        ([5.0] * 99 + [5000.0], {"batch_size": 22, "batch_seconds": 600.0}, 600.0),
    ],
)
def test_single_long_clips_have_a_limit(seconds, options, most):
    lengths = np.array(seconds) * SAMPLING_RATE
    options = {"batch_size": 128, "batch_seconds": None, "max_seconds": None, **options}
    assert most_sound(lengths, **options) == (None if most is None else most * SAMPLING_RATE)
