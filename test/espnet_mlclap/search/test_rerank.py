"""Reranking: the model of pairs hears the windows that were found, and its scores decide."""

from typing import NamedTuple

import numpy as np
import pytest
import soundfile

from espnet_mlclap.fileio.audio import AudioError
from espnet_mlclap.search.hits import Hit
from espnet_mlclap.search.rerank import Reranker
from espnet_mlclap.search.stores.abs_store import Recording
from espnet_mlclap.search.windows import read_span


class Ranked(NamedTuple):
    index: int
    score: float


class Loudest:
    """Stands for a model of pairs: likes what is loud."""

    def rerank(self, query, clips, *, lang):
        assert (query, lang) == ("a bang", "eng_Latn")
        scores = [float(np.abs(clip["array"]).mean()) for clip in clips]
        return [Ranked(n, scores[n]) for n in sorted(range(len(scores)), key=lambda n: -scores[n])]


def hit(path, number, start, end):
    recording = Recording(number, str(path), 0.0, 20.0)
    return Hit(recording, 0.0, 20.0, 1 - number / 10, number, start, end)


def test_the_model_of_pairs_decides_about_the_first_hits(tmp_path):
    for number in range(4):  # loud between 10 and 12 s, the more the later it was found
        samples = np.zeros(20_000)
        samples[10_000:12_000] = (number + 1) / 10
        soundfile.write(tmp_path / f"{number}.wav", samples, 1000, subtype="FLOAT")
    hits = [hit(tmp_path / f"{number}.wav", number, 10, 12) for number in range(4)]
    found = Reranker(Loudest(), top=3)("a bang", "eng_Latn", hits)
    assert [one.recording.id for one in found] == [2, 1, 0, 3]
    assert [one.similarity for one in found] == pytest.approx([0.3, 0.2, 0.1, 0.7], abs=1e-6)
    hits[1] = hit(tmp_path / "gone.wav", 1, 10, 12)
    found = Reranker(Loudest(), top=3)("a bang", "eng_Latn", hits)
    assert [one.recording.id for one in found] == [2, 0, 1, 3]
    assert Reranker(Loudest())("a bang", "eng_Latn", hits[1:2]) == hits[1:2]


def test_a_piece_is_that_piece_of_the_file(tmp_path):
    samples = np.random.default_rng(0).uniform(-1, 1, 300_000).astype(np.float32)
    soundfile.write(tmp_path / "a.wav", samples, 1000, subtype="FLOAT")
    for start, end in ((0, 10), (61.5, 140.25), (299.5, 400), (65.536, 65.537)):
        piece = read_span(tmp_path / "a.wav", start, end)
        np.testing.assert_array_equal(
            piece.samples, samples[round(start * 1000) : round(end * 1000)]
        )
        assert piece.end == pytest.approx(min(end, 300))
    with pytest.raises(AudioError, match="nothing from 300 s on"):
        read_span(tmp_path / "a.wav", 300, 310)
