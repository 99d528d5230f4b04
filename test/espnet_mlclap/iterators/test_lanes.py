"""Epochs that read shards from front to back, held against the same plan's epochs by clip.

The shards are made by stage 3 and read by data workers; nothing is invented but the noise in them.
"""

from collections import Counter

import numpy as np
import pytest
import soundfile

from espnet_mlclap.fileio.audio import load_clip
from espnet_mlclap.fileio.data_dir import Caption, DataDir, caption_id
from espnet_mlclap.fileio.format_audio import format_audio
from espnet_mlclap.fileio.forward import ForwardShard
from espnet_mlclap.fileio.shard_places import read_shard_places
from espnet_mlclap.iterators.epoch_plan import EpochPlan
from espnet_mlclap.iterators.lanes import LanePlan
from espnet_mlclap.iterators.mlclap_iter_factory import EpochPlanIterFactory
from espnet_mlclap.iterators.plan_options import PlanOptions
from espnet_mlclap.iterators.shard_stream import ShardStream
from espnet_mlclap.train.training_sets import read_training_sets
from espnet_mlclap.utils.errors import UserError

CLIPS = 90


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """`out`: noise in eight shards, with five captions each; `le`: translations into two languages."""
    folder = tmp_path_factory.mktemp("lanes")
    (folder / "audio").mkdir()
    draws = np.random.default_rng(0)
    data, translated = DataDir(), DataDir()
    for number in range(CLIPS):
        clip = f"c.{number:03d}"
        data.wav_scp[clip] = str(folder / f"audio/{number}.wav")
        samples = draws.integers(-3000, 3000, 300 + 7 * number).astype(np.int16)
        soundfile.write(data.wav_scp[clip], samples, 16000)
        for one in range(1, 6):
            data.captions[caption_id(clip, "eng_Latn", one)] = Caption("a", clip, "eng_Latn")
            for lang in ("deu_Latn", "fra_Latn"):
                key = caption_id(clip, lang, one)
                translated.captions[key] = Caption("b", clip, lang)
                translated.caption_sources[key] = caption_id(clip, "eng_Latn", one)
    format_audio(data, folder / "out", wav_scp="x", audio_format="shards", clips_per_shard=12)
    translated.write(folder / "le")
    return folder


class Sound:
    """Stands in the data set's place: the captions asked for, and the sound."""

    def of_waveform(self, item, waveform):
        return item, waveform.samples[:, 0].copy()


def make(folder, workers=1, buffer=64, sources=(), weight=None, **options):
    weights = () if weight is None else (weight,)
    sets = read_training_sets([folder / "out"], translations=[folder / "le"], weights=weights)
    options = {"batch_size": 16, "le_ratio": 0.1, "length_buckets": 2, "seed": 4, **options}
    plan = EpochPlan(
        lengths=sets.lengths,
        originals=sets.originals,
        translations=sets.translations,
        options=PlanOptions(**options),
        clip_weights=sets.weights,
    )
    sets_with_clips = list(zip([folder / "out"], sets.wav_scp.of_sets()))
    places = read_shard_places(sets_with_clips, plan.lengths.ids, sources)
    return plan, LanePlan(plan, places, buffer=buffer, workers=workers), sets


def read(plan, lanes, epoch, rank=0, world_size=1, workers=0):
    """The batches of a rank, as lists of (clip with captions, samples)."""
    factory = EpochPlanIterFactory(
        plan=plan, dataset=Sound(), collate_fn=list, lanes=lanes, num_workers=workers,
        rank=rank, world_size=world_size,
    )  # fmt: skip
    loader = factory.build_iter(epoch)
    batches = list(loader)
    assert len(loader) == len(batches)
    assert factory.count_steps(epoch) - factory.count_steps(epoch - 1) == len(batches)
    return batches


def pairs(batches):
    return [(item.clip, key) for batch in batches for item, _ in batch for key in item.captions]


SETTINGS = {
    "mixture": {},
    "one of each clip": {"clip_captions": "one", "le_ratio": 0.6},
    "weighted": {"weight": 1.5},
    "one_to_k": {"le_pairing": "one_to_k", "le_ratio": 1.0},
    "co_anchor": {"le_pairing": "co_anchor", "le_ratio": 1.0},
    "batches by length": {"batch_length": 2400.0},
    "larger than the rest": {"batch_size": 64},
    "fewer batches than workers": {"batch_size": 64, "clip_captions": "one", "le_ratio": 0.0},
}


@pytest.mark.parametrize(
    ("settings", "ranks", "workers"),
    [
        *((name, 2, 0) for name in SETTINGS),
        *((name, 1, 0) for name in ("mixture", "batches by length")),
        *((name, 2, 2) for name in ("mixture", "fewer batches than workers")),
        ("mixture", 3, 0),
    ],
)
def test_ranks_and_workers_together_read_what_the_plan_draws(folder, settings, ranks, workers):
    plan, lanes, sets = make(folder, workers, **SETTINGS[settings])
    sound = {clip: load_clip(sets.wav_scp[clip]) for clip in sets.wav_scp}
    for epoch in (1, 2, 3) if settings == "mixture" else (2,):
        drawn = plan.draw(epoch)
        by_rank = [read(plan, lanes, epoch, rank, ranks, workers) for rank in range(ranks)]
        assert len({len(batches) for batches in by_rank}) == 1
        read_by_all = [pair for batches in by_rank for pair in pairs(batches)]
        assert Counter(key for _, key in read_by_all) == Counter(drawn)
        by_clip = [
            (item.clip, key)
            for batch in plan.batches(epoch)
            for item in batch
            for key in item.captions
        ]
        assert Counter(read_by_all) == Counter(by_clip)
        langs = Counter(key.split("-")[1] for _, key in read_by_all)
        assert langs == plan.count(epoch)
        for batch in (batch for batches in by_rank for batch in batches):
            names = [item.clip for item, _ in batch]
            assert len(set(names)) == len(names) > 0
            for item, samples in batch:
                np.testing.assert_array_equal(samples, sound[item.clip])


def test_an_epoch_is_the_same_whenever_it_is_read_and_another_than_the_next(folder):
    first = [pairs([batch]) for batch in read(*make(folder)[:2], 3)]
    plan, lanes, _ = make(folder)
    before = [pairs([batch]) for batch in read(plan, lanes, 2)]
    assert [pairs([batch]) for batch in read(plan, lanes, 3)] == first
    assert before != first
    other_seed = make(folder, seed=5)[:2]
    assert [pairs([batch]) for batch in read(*other_seed, 3)] != first


def test_shards_are_read_forwards_and_mixed_within_the_buffer(folder):
    plan, lanes, _ = make(folder, buffer=64, le_ratio=0.0)
    drawn = plan.epoch(1)
    (lane,) = lanes.lanes(drawn, 1)
    rows = np.concatenate([window.clips for window in lane])
    shard, offset = lanes.places.shard[rows], lanes.places.offset[rows]
    assert len(np.unique(shard)) == len(lanes.places.files) >= 7
    turns = shard[np.flatnonzero(np.diff(shard, prepend=-1))]
    assert len(turns) == len(np.unique(shard))  # each once
    assert (np.diff(offset)[np.diff(shard) == 0] >= 0).all()
    (again,) = lanes.lanes(plan.epoch(2), 2)
    assert lanes.places.shard[again[0].clips[0]] != turns[0] or len(turns) == 1
    for window in lane:
        assert sum(map(len, window.batches)) <= 64 + 16
    neighbours = [len(np.unique(drawn.clips[batch])) for window in lane for batch in window.batches]
    assert (
        np.mean(neighbours) > 6
    )  # of five captions each, read in order: a batch of 16 has 4 clips
    sizes = [len(batch) for window in lane for batch in window.batches]
    assert sorted(sizes)[1:] == [16] * (len(sizes) - 1)  # one is what is left over


def test_the_next_window_is_read_step_by_step(folder, monkeypatch):
    read_so_far, read_member = [], ForwardShard.member

    def member(shard, offset):
        read_so_far.append(offset)
        return read_member(shard, offset)

    monkeypatch.setattr(ForwardShard, "member", member)
    plan, lanes, _ = make(folder, buffer=64)
    drawn = plan.epoch(1)
    (lane,) = lanes.lanes(drawn, 1)
    assert len(lane) > 4
    stream = ShardStream(
        lanes=[lane], drawn=drawn, clip_ids=plan.lengths.ids, places=lanes.places,
        make_item=lambda item, waveform: item.clip, collate_fn=list,
    )  # fmt: skip
    batches, needed = iter(stream), set()
    for window, following in zip(lane, [*lane[1:], lane[-1]]):
        needed |= set(window.clips.tolist())
        soon = needed | set(following.clips.tolist())
        for done in range(1, len(window.batches) + 1):
            next(batches)
            share = (len(soon) - len(needed)) * done / len(window.batches)
            assert len(needed) - 1 <= len(read_so_far) <= len(needed) + share + 1
    assert len(read_so_far) == len(set(drawn.clips.tolist()))  # each clip once
    assert next(batches, None) is None


def test_what_can_not_be_read_in_this_way_is_an_error(folder, tmp_path):
    with pytest.raises(UserError, match="reading_buffer: 8 does not hold a batch of 16"):
        make(folder, buffer=8)
    plan, lanes, _ = make(folder, clip_captions="one", le_ratio=0.0)
    with pytest.raises(UserError, match="too few for that many ranks"):
        read(plan, lanes, 1, world_size=CLIPS + 1)
    with pytest.raises(UserError, match="000000.tar: missing"):
        make(folder, sources=[str(tmp_path)])
    with pytest.raises(UserError, match="--shard_source: 2 places for 1 training sets"):
        make(folder, sources=["a", "b"])


def test_a_shard_in_whose_places_are_other_clips_is_named(folder, tmp_path):
    plan, lanes, _ = make(folder)
    file, other = lanes.places.files[:2]
    lanes.places.files[:2] = [other, file]
    with pytest.raises(UserError, match=r"00000[01].tar:\d+: "):
        read(plan, lanes, 1)


def test_shards_behind_an_address_give_the_same(folder, http_server):
    for path in (folder / "out/shards").glob("*.tar"):
        http_server.files[f"/a/{path.name}"] = path.read_bytes()
    http_server.break_after = [20_000]
    plan, lanes, _ = make(folder)
    there = make(folder, sources=[f"{http_server.address}/a/"])[1]
    here = [pairs([batch]) for batch in read(plan, lanes, 1)]
    assert [pairs([batch]) for batch in read(plan, there, 1)] == here
    assert len(http_server.requests) == len(lanes.places.files) + 1  # each is asked for once
