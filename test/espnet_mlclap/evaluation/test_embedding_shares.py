"""Embeddings of a test set from shares: the same as at once, and what is missing is noticed."""

import numpy as np
import pytest

from espnet_mlclap.evaluation.embed_set import embedding_set
from espnet_mlclap.evaluation.embedding_shares import EmbeddingShares
from espnet_mlclap.fileio.data_dir import Caption, DataDir
from espnet_mlclap.utils.errors import UserError
from espnet_mlclap.utils.shard import Shard, all_shards, share_of, shares_beside

ROWS = np.random.default_rng(0).normal(size=(40, 6)).astype(np.float32)


@pytest.fixture
def data():
    made = DataDir(wav_scp={f"c{n:02d}": f"{n}.wav" for n in range(11)})
    for number in range(29):
        made.captions[f"t{number:02d}"] = Caption("A sound.", f"c{number % 11:02d}", "eng_Latn")
    return made


def of_shares(folder, data, calls, identity="one"):
    def embed(shard):
        calls.append(shard)
        audio, text = ROWS[:11].copy(), ROWS[11:].copy()
        for rows in (audio, text) if shard else ():
            others = np.arange(len(rows)) % shard.count != shard.index
            rows[others] = 0
        return embedding_set(data, "set", audio, text)

    return EmbeddingShares(folder / "e", identity, embed)


@pytest.mark.parametrize("count", [1, 3, 20])
def test_from_shares_as_at_once(tmp_path, data, count):
    calls = []
    shares = of_shares(tmp_path, data, calls)
    for shard in all_shards(count):
        shares.make(shard)
        shares.make(shard)
    whole = shares.whole(data, "set")
    assert calls == all_shards(count)
    np.testing.assert_array_equal(whole.audio, ROWS[:11])
    np.testing.assert_array_equal(whole.text, ROWS[11:])
    assert whole.clips == sorted(data.wav_scp)
    shares.remove()
    assert shares_beside(tmp_path / "e") == []


def test_what_is_missing_or_of_another_model_is_made(tmp_path, data):
    calls = []
    of_shares(tmp_path, data, [], "other").make(Shard(0, 5))
    shares = of_shares(tmp_path, data, calls)
    shares.make(Shard(2, 3))
    np.testing.assert_array_equal(shares.whole(data, "set").text, ROWS[11:])
    assert calls == [Shard(2, 3), Shard(0, 3), Shard(1, 3)]
    calls.clear()
    of_shares(tmp_path, data, calls, "a third").whole(data, "set")
    assert calls == [None]


def test_a_hole_and_a_double_are_named(tmp_path, data):
    shares = of_shares(tmp_path, data, [])
    for shard in all_shards(2):
        shares.make(shard)
    path = share_of(tmp_path / "e", Shard(1, 2)) / "text_rows.npy"
    rows = np.load(path)
    rows[0] = 2  # of the other share, instead of 1
    np.save(path, rows)
    with pytest.raises(UserError, match="2 of 29 items .*'t01' is missing"):
        shares.whole(data, "set")
