"""The printed figures of the ML-CLAP paper."""

from pathlib import Path

import pytest

from espnet_mlclap.experiments.printed import read_printed_figures

FILE = "egs2/audiocaps_clotho/mlclap1/conf/printed_figures.yaml"


@pytest.fixture(scope="session")
def printed():
    return read_printed_figures(Path(__file__).resolve().parents[3] / FILE)
