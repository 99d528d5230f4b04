"""`mlclap moments`, `make_long_recordings` and `score_moments` on a small trained model."""

import csv
import io
import json

import numpy as np
import pytest

from espnet_mlclap.bin import make_long_recordings, moments, score_moments
from espnet_mlclap.fileio.data_dir import DataDir
from espnet_mlclap.inference import MLCLAP
from espnet_mlclap.search.moments import MomentSettings, find_moments
from espnet_mlclap.search.windows import WindowPlan, read_windows


def test_from_clips_to_figures(experiment, tones, tmp_path, capsys):
    options = ["--recordings", "2", "--clips", "2", "3", "--rate", "16000"]
    make_long_recordings.main(
        ["--data_dir", str(tones / "valid"), "--out_dir", str(tmp_path), *options]
    )
    assert capsys.readouterr().out.startswith("2 recordings, 0 minutes, ")
    data = DataDir.read(tmp_path / "data")
    path = data.wav_scp["long0001"]
    moments.main([path, "a dog barks", "rain", "--model_dir", str(experiment), "--format", "csv"])
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert {row["query"] for row in rows} == {"a dog barks", "rain"}
    # the same from the Python interface
    model, settings = MLCLAP.from_pretrained(experiment), MomentSettings()
    windows = list(read_windows(path, WindowPlan(settings.window, settings.hop)))
    vectors = model.encode_audio([{"array": w.samples, "sampling_rate": w.rate} for w in windows])
    spans = np.array([window[:2] for window in windows])
    expected = find_moments(spans, vectors @ model.encode_text("rain")[0], settings, 3)
    found = [(row["start"], row["end"]) for row in rows if row["query"] == "rain"]
    assert [tuple(map(float, pair)) for pair in found] == [
        (round(moment.start, 3), round(moment.end, 3)) for moment in expected
    ]
    arguments = ["--model_dir", str(experiment), "--data_dir", str(tmp_path / "data")]
    score_moments.main([*arguments, "--out", str(tmp_path / "scores.json")])
    table = capsys.readouterr().out
    scores = json.loads((tmp_path / "scores.json").read_text())
    assert {*scores} == {"eng_Latn", "deu_Latn", "mean"}
    assert f"{scores['mean']['mAP']:.2f}" in table
    assert scores["eng_Latn"]["captions"] == len(data.captions) / 2
    with pytest.raises(SystemExit):
        score_moments.main([*arguments, "--hop", "7"])
    assert "at most the window" in capsys.readouterr().err
