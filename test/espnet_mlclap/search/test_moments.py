"""Moments are where similarity is high, whatever the windows are."""

import numpy as np
import pytest

from espnet_mlclap.search.moments import MomentSettings, find_moments
from espnet_mlclap.search.windows import WindowPlan
from espnet_mlclap.utils.errors import UserError


def windows(duration, settings, events, height=0.6):
    """Spans, and the share of each window that events fill: what an ideal model would say."""
    spans = np.array(WindowPlan(settings.window, settings.hop).spans(duration))
    inside = np.zeros(len(spans))
    for start, end in events:
        overlap = np.minimum(spans[:, 1], end) - np.maximum(spans[:, 0], start)
        inside += np.clip(overlap, 0, None) / (spans[:, 1] - spans[:, 0])
    return spans, 0.1 + height * inside


@pytest.mark.parametrize("window", [1.0, 2.0, 3.0])
def test_events_are_found_from_start_to_end(window):
    settings = MomentSettings(window=window, hop=0.5)
    events = [(10.0, 15.0), (40.0, 44.0)]
    found = find_moments(*windows(60, settings, events), settings, 5)
    assert len(found) == 2
    for moment, (start, end) in zip(sorted(found), events):
        assert moment.start == pytest.approx(start, abs=0.5)
        assert moment.end == pytest.approx(end, abs=0.5)


def test_the_best_comes_first_and_they_do_not_overlap():
    settings = MomentSettings(least=0.0)
    generator = np.random.default_rng(0)
    spans = np.array(WindowPlan(settings.window, settings.hop).spans(47.3))
    found = find_moments(spans, generator.uniform(size=len(spans)), settings, 20)
    by_time = sorted(found)
    assert all(one.end <= later.start + 1e-9 for one, later in zip(by_time, by_time[1:]))
    assert by_time[-1].end <= 47.3
    strong, weak = windows(60, settings, [(30, 35)])[1], windows(60, settings, [(5, 10)], 0.4)[1]
    first, second = find_moments(windows(60, settings, [])[0], strong + weak, settings, 2)
    assert first.start > second.start
    assert first.similarity > second.similarity


def test_recordings_of_one_window_and_of_nothing_in_particular():
    settings = MomentSettings()
    (moment,) = find_moments(np.array([[0.0, 1.2]]), np.array([0.3]), settings, 3)
    assert moment[:2] == (0.0, 1.2)
    spans, similarity = windows(20, settings, [])
    (moment,) = find_moments(spans, similarity, settings, 3)
    assert moment[:2] == (0.0, 20.0)


def test_impossible_settings():
    with pytest.raises(UserError, match="hop must be above 0"):
        MomentSettings(hop=0)
