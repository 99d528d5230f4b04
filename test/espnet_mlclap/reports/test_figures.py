"""Figures: what is drawn, read back from the axes."""

import numpy as np
import pytest
from matplotlib.container import BarContainer
from matplotlib.image import imread

from espnet_mlclap.evaluation.embeddings import read_embeddings
from espnet_mlclap.evaluation.scores import score_set
from espnet_mlclap.reports.figures import (
    language_figure,
    save,
    similarity_figure,
    training_figure,
)


@pytest.fixture
def embeddings(make_embeddings, tmp_path):
    langs = ("fra_Latn", "eng_Latn", "jpn_Jpan")
    return read_embeddings(make_embeddings(tmp_path / "test", clips=40, langs=langs, noise=1.0))


def labels(axis):
    return [label.get_text() for label in axis.get_ticklabels()]


def test_bars_are_the_scores(embeddings, tmp_path):
    scores = score_set(embeddings, replicates=20)
    baseline = {"eng_Latn": scores["eng_Latn"]}  # an experiment may lack languages
    figure = language_figure({"baseline": baseline, "mixture LE": scores}, "test set")
    left, right = figure.axes
    assert [left.get_title(), right.get_title()] == ["Text to audio", "Audio to text"]
    assert left.get_ylabel() == "mAP@10 (%)"
    assert left.get_xlabel() == "Language of the captions"
    assert labels(left.xaxis) == ["eng_Latn", "fra_Latn", "jpn_Jpan"]
    for panel, way in ((left, "t2a"), (right, "a2t")):
        bars = [part for part in panel.containers if isinstance(part, BarContainer)]
        first, second = ([bar.get_height() for bar in group] for group in bars)
        assert first == [scores["eng_Latn"][way]["mAP@10"]]
        assert second == [scores[lang][way]["mAP@10"] for lang in labels(panel.xaxis)]
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend == ["baseline", "mixture LE", "chance"]
    save(figure, tmp_path / "figures" / "languages.png")
    picture = imread(tmp_path / "figures" / "languages.png")
    assert picture.shape[1] > 900
    assert picture[..., :3].std() > 0.1


def test_training_curve():
    history = [
        {
            "epoch": epoch,
            "train": {"loss": 3.0 - epoch},
            "valid": {"mAP@10": value, "t2a_mAP@10": value + 1, "a2t_mAP@10": value - 1},
        }
        for epoch, value in ((1, 20.0), (2, 45.0), (3, 40.0))
    ]
    left, right = training_figure(history, "Training").axes
    np.testing.assert_array_equal(left.get_lines()[0].get_xydata(), [[1, 2], [2, 1], [3, 0]])
    assert left.get_ylabel() == "InfoNCE loss"
    assert left.get_xlabel() == right.get_xlabel() == "Epoch"
    names = [text.get_text() for text in right.get_legend().get_texts()]
    assert names == ["text to audio", "audio to text", "mean", "best mean: epoch 2"]
    np.testing.assert_array_equal(right.get_lines()[2].get_ydata(), [20, 45, 40])


def test_training_curve_without_validation():
    left, right = training_figure([{"epoch": 1, "train": {}, "valid": {}}], "Training").axes
    assert not left.get_lines()
    assert not right.get_lines()


def test_similarity_of_a_sample(embeddings):
    figure = similarity_figure(embeddings, "eng_Latn", "test", clips=10)
    matrix = figure.axes[0].images[0].get_array()
    assert matrix.shape == (10, 10)
    assert np.mean(np.diag(matrix)) > np.mean(matrix) + 0.3
    assert np.abs(matrix).max() <= 1.0 + 1e-6
    assert figure.axes[0].get_ylabel() == "Caption of the clip (eng_Latn)"
    assert figure.axes[1].get_ylabel() == "Cosine similarity"
    again = similarity_figure(embeddings, "eng_Latn", "test", clips=10)
    np.testing.assert_array_equal(matrix, again.axes[0].images[0].get_array())
