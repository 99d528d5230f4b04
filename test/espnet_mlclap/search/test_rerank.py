"""Hits are ordered by a model of pairs that hears their best windows."""

from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

from espnet_mlclap.search.hits import Hit
from espnet_mlclap.search.rerank import rerank_hits
from espnet_mlclap.search.windows import WindowPlan, read_span, read_windows


@pytest.fixture
def ramp(tmp_path):
    """Three seconds whose samples tell their time."""
    soundfile.write(tmp_path / "x.wav", np.arange(24000) / 24000, 8000, subtype="FLOAT")
    return tmp_path / "x.wav"


def test_a_span_is_the_window_that_was_found(ramp):
    for window in read_windows(ramp, WindowPlan(1.0, 0.5)):
        span = read_span(ramp, window.start, window.end)
        np.testing.assert_array_equal(span.samples, window.samples)
        assert span[:2] == pytest.approx((window.start, window.end))
    assert len(read_span(ramp, 2.5, 9.0).samples) == 4000


def test_the_scores_of_the_best_windows_order_the_hits(ramp):
    class Loudest:
        def rerank(self, query, clips, *, lang):
            assert (query, lang) == ("loud", "deu_Latn")
            scores = [float(clip["array"].mean()) for clip in clips]
            order = sorted(range(len(scores)), key=lambda place: -scores[place])
            return [(place, scores[place]) for place in order]

    recording = SimpleNamespace(path=str(ramp))
    hits = [
        Hit(recording, start, start + 1, 0.9 - start / 10, int(start), start, start + 1)
        for start in (0.0, 1.0, 2.0)
    ]
    found = rerank_hits(Loudest(), "loud", "deu_Latn", hits)
    assert [hit.start for hit in found] == [2.0, 1.0, 0.0]
    assert found[0].similarity == pytest.approx(2.5 / 3, abs=1e-3)
    assert rerank_hits(Loudest(), "loud", "deu_Latn", []) == []
