"""Progress in a log: whole lines, none twice, none for quick work."""

import io
import time

from espnet_mlclap.utils import progress as module
from espnet_mlclap.utils.progress import progress, progress_bar


def test_the_end_is_reported_once_though_a_second_has_passed():
    stream = io.StringIO()
    lines = module._Lines(stream)
    for elapsed in ("00:09", "00:10"):
        lines.write(f"\rformat: 9/9 clips, {elapsed} elapsed, 00:00 remaining")
    assert stream.getvalue() == "[progress] format: 9/9 clips, 00:09 elapsed, 00:00 remaining\n"


def test_items_pass_through_and_quick_work_is_silent(capsys):
    assert list(progress([3, 1, 2], "counting")) == [3, 1, 2]
    assert list(progress(iter("ab"), "counting", total=2)) == ["a", "b"]
    assert capsys.readouterr().err == ""


def test_lines_of_a_log(monkeypatch):
    stream = io.StringIO()
    monkeypatch.setattr(module.sys, "stderr", stream)
    monkeypatch.setattr(module, "_LOG_INTERVAL", 0.0)
    with progress_bar("embedding", 3, "clips") as bar:
        bar.delay = 0.0
        for _ in range(3):
            time.sleep(0.02)
            bar.update()
    lines = stream.getvalue().splitlines()
    assert lines[-1].startswith("[progress] embedding: 3/3 clips, 00:00 elapsed, ")
    counts = [line.partition(",")[0] for line in lines]
    assert len(set(counts)) == len(counts)
    assert all(line.endswith(" remaining") for line in lines)
    assert "\r" not in stream.getvalue()
