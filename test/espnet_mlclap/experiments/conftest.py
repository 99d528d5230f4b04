"""The printed figures of the ML-CLAP paper."""

from pathlib import Path

import pytest

from espnet_mlclap.experiments.papers import ChosenPaper
from espnet_mlclap.experiments.printed import read_printed_figures

FILE = "egs2/audiocaps_clotho/mlclap1/conf/papers/ml_clap.yaml"


@pytest.fixture(scope="session")
def printed():
    return read_printed_figures(Path(__file__).resolve().parents[3] / FILE)


@pytest.fixture(scope="session")
def choose(printed):
    """Some of its tables and figures, by words."""

    def chosen(words):
        return [ChosenPaper(printed, [name for name in printed.names if name in words.split()])]

    return chosen
