"""The index of a folder of recordings: found, kept up to date, resumed; bad recordings."""

import numpy as np
import pytest
import soundfile

from espnet_mlclap.fileio.audio import AudioError, read_audio
from espnet_mlclap.search.clip_index import update_index
from espnet_mlclap.utils.errors import UserError


class Encoder:
    """Vectors that depend on the first sample; notes what it was asked for."""

    def __init__(self):
        self.asked = []

    def __call__(self, paths):
        rows = []
        for path in paths:
            angle = read_audio(path).samples[0, 0]
            rows.append([np.cos(angle), np.sin(angle)])
        self.asked += [path.rpartition("/")[2] for path in paths]
        return np.array(rows, dtype=np.float32)


def record(path, angle):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.full(100, angle), 16000, subtype="FLOAT")


@pytest.fixture
def folder(tmp_path):
    for number in range(5):
        record(tmp_path / f"sounds/Été {number % 2}/{number}.wav", number / 10)
    (tmp_path / "sounds/notes.txt").touch()
    return tmp_path / "sounds"


def names(index):
    return [path.rpartition("/")[2] for path in index.paths]


def test_the_nearest_come_first(folder, tmp_path):
    index = update_index(tmp_path / "i.npz", folder, Encoder(), model="m", batch_size=2)
    found = index.search(np.array([np.cos(0.32), np.sin(0.32)]), 3)
    assert [path for _, path in found] == ["Été 1/3.wav", "Été 0/4.wav", "Été 0/2.wav"]
    assert found[0][0] == pytest.approx(np.cos(0.02))
    assert len(index.search(np.array([1.0, 0.0]), 99)) == 5


def test_only_what_is_new_or_has_changed_is_embedded(folder, tmp_path):
    path, encoder = tmp_path / "i.npz", Encoder()
    first = update_index(path, folder, encoder, model="m")
    assert sorted(encoder.asked) == [f"{n}.wav" for n in range(5)]
    again = Encoder()
    second = update_index(path, folder, again, model="m")
    assert again.asked == []
    assert second.paths == first.paths
    np.testing.assert_array_equal(second.audio, first.audio)
    record(folder / "Été 1/3.wav", -0.5)
    record(folder / "new.wav", 1.0)
    (folder / "Été 0/0.wav").unlink()
    third = update_index(path, folder, again, model="m")
    assert sorted(again.asked) == ["3.wav", "new.wav"]
    assert sorted(names(third)) == ["1.wav", "2.wav", "3.wav", "4.wav", "new.wav"]
    whole = update_index(tmp_path / "other.npz", folder, Encoder(), model="m")
    assert third.paths == whole.paths
    np.testing.assert_array_equal(third.audio, whole.audio)
    update_index(path, folder, again, model="another")
    assert len(again.asked) == 2 + 5


def test_a_recording_that_cannot_be_read(folder, tmp_path):
    (folder / "Été 0/2.wav").write_bytes(b"")
    encoder = Encoder()
    with pytest.raises(AudioError, match=r"2\.wav: the file is empty.*--skip_bad_audio true"):
        update_index(tmp_path / "i.npz", folder, encoder, model="m", batch_size=1)
    assert encoder.asked == ["0.wav"]
    index = update_index(
        tmp_path / "i.npz", folder, encoder, model="m", batch_size=4, skip_bad_audio=True
    )
    assert encoder.asked == ["0.wav", "4.wav", "1.wav", "3.wav"], "what was done is kept"
    assert len(index.bad) == 1
    assert "2.wav" not in names(index)


def test_a_link_to_nowhere_is_a_bad_recording(folder, tmp_path):
    (folder / "gone.wav").symlink_to(tmp_path / "nowhere.wav")
    with pytest.raises(AudioError, match=r"gone\.wav: no such file"):
        update_index(tmp_path / "i.npz", folder, Encoder(), model="m")
    index = update_index(tmp_path / "i.npz", folder, Encoder(), model="m", skip_bad_audio=True)
    assert len(index.paths) == 5
    assert len(index.bad) == 1


def test_a_recording_that_goes_away_meanwhile_is_left_out(folder, tmp_path):
    encoder = Encoder()

    def encode(paths):
        (folder / "Été 1/3.wav").unlink(missing_ok=True)
        return encoder(paths)

    index = update_index(tmp_path / "i.npz", folder, encode, model="m")
    assert names(index) == ["0.wav", "2.wav", "4.wav", "1.wav"]
    assert index.bad == []


def test_where_no_index_can_be_nothing_is_embedded(folder, tmp_path):
    encoder = Encoder()
    with pytest.raises(UserError, match="sounds: is a folder"):
        update_index(folder, folder, encoder, model="m")
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot be created"):
        update_index(tmp_path / "file/i.npz", folder, encoder, model="m")
    assert encoder.asked == []


def test_folders_and_indices_that_are_none(folder, tmp_path):
    (tmp_path / "empty").mkdir()
    for name, why in (("empty", "there is no audio file in it"), ("nowhere", "no such folder")):
        with pytest.raises(UserError, match=f"{name}: {why}"):
            update_index(tmp_path / name / "i.npz", tmp_path / name, Encoder(), model="m")
    assert not (tmp_path / "nowhere").exists(), "a mistyped folder is not made"
    for content in (b"", b"no index", b"PK\x03\x04 cut off"):
        (tmp_path / "i.npz").write_bytes(content)
        with pytest.raises(UserError, match=r"i\.npz: not an index of recordings .*Delete it"):
            update_index(tmp_path / "i.npz", folder, Encoder(), model="m")
    for found in folder.rglob("*.wav"):
        found.write_bytes(b"")
    with pytest.raises(UserError, match="none of its 5 recordings can be read"):
        update_index(tmp_path / "j.npz", folder, Encoder(), model="m", skip_bad_audio=True)
