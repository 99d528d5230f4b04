"""A library follows its folders: only what is new, changed or gone is worked on, wherever it was stopped."""

import os
import shutil
import subprocess
import sys
import time

import numpy as np
import pytest
import soundfile

from espnet_mlclap.search.library import Library
from espnet_mlclap.search.lock import writer_lock
from espnet_mlclap.search.stores.abs_store import Where
from espnet_mlclap.search.update import forget_folders, update_library
from espnet_mlclap.search.windows import WindowPlan
from espnet_mlclap.utils.errors import UserError

RATE = 1000


class Spectrum:
    """Stands for a model: the strength of eight frequencies. Counts what it is given."""

    def __init__(self, stop_after=None):
        self.windows, self.batches, self.stop_after = 0, [], stop_after

    def __call__(self, windows):
        if self.stop_after is not None and self.windows + len(windows) > self.stop_after:
            raise KeyboardInterrupt
        self.windows += len(windows)
        self.batches.append(len(windows))
        return np.stack([of(window.samples) for window in windows])


def of(samples):
    time = np.arange(len(samples)) / RATE
    strength = [abs((samples * np.exp(-2j * np.pi * 50 * k * time)).mean()) for k in range(1, 9)]
    return (strength / np.linalg.norm(strength)).astype(np.float32)


def tone(path, kind, seconds=3.0, seed=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    time = np.arange(round(seconds * RATE)) / RATE
    noise = 0.01 * np.random.default_rng([kind, seed]).standard_normal(len(time))
    soundfile.write(path, 0.5 * np.sin(2 * np.pi * 50 * kind * time) + noise, RATE)


@pytest.fixture
def folder(tmp_path):
    for kind in range(1, 6):
        tone(tmp_path / f"audio/{kind}.wav", kind)
    tone(tmp_path / "audio/sub/long.wav", 6, seconds=40)
    return tmp_path / "audio"


@pytest.fixture
def library(tmp_path):
    opened = Library(tmp_path / "library", fingerprint="model 1", size=8)
    yield opened
    opened.close()


def update(library, *folders, **options):
    """What was reported, and how many windows the model got."""
    model = Spectrum()
    report = update_library(library, folders, model, **options)
    return report, model.windows


def paths(library, kind, top=1):
    vector = np.zeros(8, np.float32)
    vector[kind - 1] = 1
    return [os.path.basename(one.recording.path) for one in library.store.search(vector, top)]


def whole(library, folder):
    """The library holds what its files give, and nothing else."""
    expected = {}
    for path in folder.rglob("*.wav"):
        samples, _ = soundfile.read(path, dtype="float32")
        spans = library.plan().spans(len(samples) / RATE)
        pieces = [samples[round(a * RATE) : round(b * RATE)] for a, b in spans]
        expected[str(path)] = (spans, np.stack([of(piece) for piece in pieces]))
    files = library.catalogue.below(str(folder))
    assert sorted(files) == sorted(expected)
    for path, file in files.items():
        windows = library.store.windows(file.id)
        np.testing.assert_allclose(windows.spans, expected[path][0])
        np.testing.assert_allclose(windows.vectors, expected[path][1], atol=1e-5)
        assert file.duration == pytest.approx(windows.spans[-1, 1])
    assert library.store.count() == sum(len(spans) for spans, _ in expected.values())


def test_only_what_is_new_or_changed_is_embedded(library, folder):
    report, windows = update(library, folder, batch_size=4)
    assert (report.found, report.embedded, windows) == (6, 6, 5 + 7)
    assert paths(library, 3) == ["3.wav"]
    whole(library, folder)
    report, windows = update(library, folder)
    assert (report.unchanged, windows) == (6, 0)
    tone(folder / "7.wav", 7)
    tone(folder / "2.wav", 8, seconds=4)
    (folder / "1.wav").unlink()
    report, windows = update(library, folder)
    assert (report.unchanged, report.embedded, report.removed, windows) == (4, 2, 1, 2)
    assert (paths(library, 7), paths(library, 8)) == (["7.wav"], ["2.wav"])
    whole(library, folder)


def test_what_is_renamed_touched_or_copied_is_not_embedded_again(library, folder):
    update(library, folder)
    before = library.catalogue.below(str(folder))
    (folder / "3.wav").rename(folder / "sub/three.wav")
    (folder / "sub").rename(folder / "other")
    os.utime(folder / "4.wav", (0, 0))
    shutil.copy(folder / "5.wav", folder / "copy of 5.wav")
    report, windows = update(library, folder)
    assert (report.taken_over, report.removed, windows) == (4, 0, 0)
    assert paths(library, 3) == ["three.wav"]
    assert {*paths(library, 5, 2)} == {"5.wav", "copy of 5.wav"}
    whole(library, folder)
    after = library.catalogue.below(str(folder))
    assert before[str(folder / "3.wav")].id == after[str(folder / "other/three.wav")].id
    # one takes the name of another
    (folder / "1.wav").unlink()
    (folder / "2.wav").rename(folder / "1.wav")
    report, windows = update(library, folder)
    assert (report.taken_over, windows) == (1, 0)
    whole(library, folder)


def test_checksums_show_what_size_and_time_do_not(library, folder):
    update(library, folder)
    status = (folder / "1.wav").stat()
    tone(folder / "1.wav", 8)
    os.utime(folder / "1.wav", ns=(status.st_atime_ns, status.st_mtime_ns))
    assert update(library, folder)[1] == 0
    assert update(library, folder, compare_checksums=True)[1] == 1
    whole(library, folder)


@pytest.mark.parametrize("stop_after", range(0, 12, 2))
def test_what_was_done_before_a_kill_is_kept(library, folder, stop_after):
    """Wherever it stops, in the middle of a long recording too, the rest is what is left to do."""
    model = Spectrum(stop_after)
    with pytest.raises(KeyboardInterrupt):
        update_library(library, [folder], model, batch_size=2)
    assert model.windows == stop_after
    report, windows = update(library, folder, batch_size=2)
    assert windows == 12 - stop_after
    whole(library, folder)


def test_a_very_long_recording_is_never_held_whole(library, folder, monkeypatch):
    monkeypatch.setattr("espnet_mlclap.search.catalogue.BLOCK", 3)
    monkeypatch.setattr("espnet_mlclap.search.stores.local.BLOCK", 3)
    held, upsert_long = {}, library.store.upsert_long

    def noted(recording, blocks):
        sizes = held[os.path.basename(recording.path)] = []

        def passed_on():
            for block in blocks:
                sizes.append(len(block.spans))
                yield block

        upsert_long(recording, passed_on())

    monkeypatch.setattr(library.store, "upsert_long", noted)
    update(library, folder, batch_size=2, plan=WindowPlan(4.0, 2.0))
    # a copy of it is not held whole either
    shutil.copy(folder / "sub/long.wav", folder / "sub/copy.wav")
    report, windows = update(library, folder, batch_size=2)
    assert (report.taken_over, windows) == (1, 0)
    files = {
        os.path.basename(path): file for path, file in library.catalogue.below(str(folder)).items()
    }
    for name in ("long.wav", "copy.wav"):
        assert sum(held[name]) == 19
        assert max(held[name]) == 3
        spans = library.store.windows(files[name].id).spans
        assert spans.tolist() == [[2.0 * k, 2.0 * k + 4] for k in range(19)]
    one, other = (
        library.store.windows(files[name].id).vectors for name in ("long.wav", "copy.wav")
    )
    np.testing.assert_array_equal(one, other)


def test_an_unfinished_recording_that_changes_begins_again(library, folder):
    with pytest.raises(KeyboardInterrupt):
        update_library(library, [folder], Spectrum(10), batch_size=2)
    tone(folder / "sub/long.wav", 7, seconds=60)
    update(library, folder)
    whole(library, folder)
    tone(folder / "sub/long.wav", 8, seconds=60)
    with pytest.raises(KeyboardInterrupt):
        update_library(library, [folder], Spectrum(4), batch_size=2)
    (folder / "sub/long.wav").unlink()
    tone(folder / "sub/other.wav", 2, seconds=60)
    update(library, folder)
    whole(library, folder)


def test_what_cannot_be_read_is_listed_and_tried_again_when_it_changes(library, folder):
    (folder / "bad.wav").write_text("no sound")
    (folder / "empty.wav").touch()
    (folder / "nowhere.wav").symlink_to("not there")
    cut = folder / "sub/cut.flac"
    soundfile.write(cut, np.random.default_rng(0).uniform(-1, 1, 60 * RATE), RATE)
    bytes_ = cut.read_bytes()
    cut.write_bytes(bytes_[: len(bytes_) // 2])
    report, windows = update(library, folder, batch_size=2)
    assert report.embedded == 6
    assert [os.path.basename(path) for path, _ in report.problems] == [
        "bad.wav", "empty.wav", "nowhere.wav", "cut.flac"
    ]  # fmt: skip
    assert all(path in problem for path, problem in report.problems)
    assert len(library.catalogue.problems()) == 4
    again, windows = update(library, folder)
    assert (windows, len(again.problems)) == (0, 4)
    cut.write_bytes(bytes_)
    tone(folder / "bad.wav", 1, seed=1)
    report, windows = update(library, folder)
    assert (report.embedded, len(report.problems)) == (2, 2)
    report, _ = update(library, folder, retry=True)
    assert len(report.problems) == 2
    # one that was readable
    (folder / "1.wav").write_text("no sound")
    update(library, folder)
    assert "1.wav" not in paths(library, 1, 50)


def test_what_goes_away_meanwhile(library, folder):
    class Removing(Spectrum):
        def __call__(self, windows):
            (folder / "5.wav").unlink(missing_ok=True)
            return super().__call__(windows)

    report = update_library(library, [folder], Removing(), batch_size=1)
    assert report.embedded == 5
    whole(library, folder)


def test_several_folders_and_tags(library, folder, tmp_path):
    tone(tmp_path / "more/9.wav", 8)
    update(library, folder, tags=["field"])
    report, windows = update(library, tmp_path / "more", tags=["indoors", "new"])
    assert (report.found, report.removed, windows) == (1, 0, 1)
    assert library.catalogue.folders == [str(folder), str(tmp_path / "more")]
    assert library.store.count(Where(tags=("field",))) == 12
    assert library.store.count(Where(folder=str(tmp_path / "more"))) == 1
    assert library.catalogue.all_tags() == ["field", "indoors", "new"]
    # a disk that is not mounted empties no library
    shutil.rmtree(tmp_path / "more")
    (tmp_path / "more").mkdir()
    with pytest.raises(UserError, match="mount it"):
        update(library, tmp_path / "more")
    assert forget_folders(library, [tmp_path / "more"], wait=False) == 1
    assert library.catalogue.folders == [str(folder)]
    whole(library, folder)
    with pytest.raises(UserError, match="no recordings of this folder"):
        forget_folders(library, [tmp_path / "more"], wait=False)


def test_a_library_is_of_one_model_and_one_way_of_cutting(library, folder):
    update(library, folder, plan=WindowPlan(20, 10))
    assert library.store.count() == 5 + 3
    with pytest.raises(UserError, match="windows of 20 s every 10 s, not 10 s every 5 s"):
        update(library, folder, plan=WindowPlan())
    with pytest.raises(UserError, match="another model"):
        Library(library.folder, fingerprint="model 2", size=8)


def test_one_writer_at_a_time(library, folder):
    code = (
        "import sys, time; from pathlib import Path; from espnet_mlclap.search.lock import writer_lock\n"
        "with writer_lock(Path(sys.argv[1]), wait=False):\n"
        "    print('in', flush=True); time.sleep(60)"
    )
    other = subprocess.Popen([sys.executable, "-c", code, library.folder], stdout=subprocess.PIPE)
    assert other.stdout.readline() == b"in\n"
    with pytest.raises(UserError, match=f"process {other.pid} is bringing"):
        update(library, folder, wait=False)
    other.kill()
    start = time.monotonic()
    report, _ = update(library, folder, wait=True)
    assert report.embedded == 6
    assert time.monotonic() - start < 30
    other.wait()
    with writer_lock(library.folder, wait=False):
        pass


def test_no_such_folder_and_nothing_in_it(library, tmp_path):
    with pytest.raises(UserError, match="no such folder"):
        update(library, tmp_path / "nowhere")
    with pytest.raises(UserError, match="no audio file"):
        update(library, tmp_path)
