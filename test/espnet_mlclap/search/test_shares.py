"""Windows that jobs have embedded: the same library as one process makes, and nothing embedded twice."""

import numpy as np
import pytest
import soundfile

from espnet_mlclap.search.library import Library
from espnet_mlclap.search.shares import Shares
from espnet_mlclap.search.update import update_library
from espnet_mlclap.search.windows import WindowPlan
from espnet_mlclap.utils.errors import UserError
from espnet_mlclap.utils.shard import Shard, all_shards

RATE = 1000


class Means:
    """Stands for a model: where a window begins, and how loud it is. Counts its windows."""

    def __init__(self):
        self.windows = 0

    def __call__(self, windows):
        self.windows += len(windows)
        rows = [[1 + w.start, 1 + w.end, np.abs(w.samples).mean()] for w in windows]
        return np.array([row / np.linalg.norm(row) for row in rows], dtype=np.float32)


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "audio"
    made.mkdir()
    for number in range(7):
        sound = np.random.default_rng(number).uniform(-0.5, 0.5, (3 + 5 * number) * RATE)
        soundfile.write(made / f"{number}.wav", sound, RATE)
    (made / "broken.wav").write_bytes(b"RIFF")
    return made


@pytest.fixture
def make(tmp_path):
    opened = []

    def library(name, model="model 1"):
        opened.append(Library(tmp_path / name, fingerprint=model, size=3))
        return opened[-1]

    yield library
    for one in opened:
        one.close()


def content(library, folder):
    return {
        path: (file.duration, file.problem is None, library.store.windows(file.id))
        for path, file in library.catalogue.below(str(folder)).items()
    }


def same(one, other):
    assert set(one) == set(other)
    for path, (duration, fine, windows) in one.items():
        assert (duration, fine) == other[path][:2]
        np.testing.assert_allclose(windows.spans, other[path][2].spans)
        np.testing.assert_allclose(windows.vectors, other[path][2].vectors)


def embed(library, shard, model="model 1"):
    encode = Means()
    Shares(library.folder).embed(shard, model, encode, batch_size=3)
    return encode.windows


def test_from_shares_as_by_one_process(make, folder):
    alone, shared = make("alone"), make("shared")
    report = update_library(alone, [folder], Means())
    listed = update_library(shared, [folder], Means(), only_list=True)
    assert (listed.found, listed.embedded, shared.catalogue.count()) == (8, 0, 0)
    done = [embed(shared, shard) for shard in all_shards(3)]
    assert min(done) > 0
    assert sum(done) == alone.store.count()
    assert [embed(shared, shard) for shard in all_shards(3)] == [0, 0, 0]
    encode = Means()
    joined = update_library(shared, [folder], encode)
    assert encode.windows == 0
    assert str(joined) == str(report)
    same(content(shared, folder), content(alone, folder))
    assert not (shared.folder / "shares").exists()


def test_what_a_share_has_not_done_is_done_at_the_end(make, folder):
    alone, shared = make("alone"), make("shared")
    update_library(alone, [folder], Means())
    update_library(shared, [folder], Means(), only_list=True)
    done = embed(shared, Shard(1, 3))
    encode = Means()
    update_library(shared, [folder], encode)
    assert encode.windows == alone.store.count() - done > 0
    same(content(shared, folder), content(alone, folder))


def test_only_what_is_new_is_listed_and_what_was_cut_otherwise_is_not_used(make, folder):
    library = make("library")
    with pytest.raises(UserError, match="no list of recordings for this model"):
        embed(library, Shard(0, 1))
    (folder / "6.wav").rename(folder.parent / "6.wav")
    update_library(library, [folder], Means(), plan=WindowPlan(4, 2))
    (folder.parent / "6.wav").rename(folder / "6.wav")
    update_library(library, [folder], Means(), only_list=True)
    assert list(Shares(library.folder).todo().paths) == [str(folder / "6.wav")]
    with pytest.raises(UserError, match="no list of recordings for this model"):
        embed(library, Shard(0, 1), "model 2")
    assert embed(library, Shard(0, 1)) == 16
    other = make("other")
    (library.folder / "shares").rename(other.folder / "shares")
    encode = Means()
    update_library(other, [folder], encode, plan=WindowPlan(5, 5))
    assert encode.windows == other.store.count()
