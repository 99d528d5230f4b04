"""Originals with their translations: in one batch, all of them or one that is drawn, some of them missing."""

from collections import Counter

import numpy as np
import pytest

from espnet_mlclap.fileio.caption_columns import CaptionColumns
from espnet_mlclap.fileio.data_dir import Caption
from espnet_mlclap.iterators.epoch_plan import EpochPlan
from espnet_mlclap.iterators.plan_options import PlanOptions
from espnet_mlclap.utils.errors import UserError

LANGS = ["eng_Latn", "fra_Latn", "deu_Latn"]


def make_plan(clips=20, captions=2, missing=(), unknown=(), weights=None, **options):
    """Captions in English, those of the last clips in French; each is translated into the other two.

    Args:
        missing: (clip, caption, language) of translations that do not exist.
        unknown: the same, of those whose original nobody knows.
    """
    originals, translations, sources = {}, {}, {}
    for clip in range(clips):
        own = "fra_Latn" if clip >= clips - 4 else "eng_Latn"
        for number in range(captions):
            key = f"c{clip:02d}x{number}"
            originals[key] = Caption("a", f"c{clip:02d}", own)
            for lang in LANGS:
                if lang != own and (clip, number, lang) not in missing:
                    translations[f"{key}{lang}"] = Caption("b", f"c{clip:02d}", lang)
                    if (clip, number, lang) not in unknown:
                        sources[f"{key}{lang}"] = key
    options = {
        "batch_size": 6,
        "length_buckets": 2,
        "le_ratio": 1.0,
        "le_pairing": "one_to_k",
        **options,
    }
    return EpochPlan(
        lengths={f"c{clip:02d}": 1.0 + clip for clip in range(clips)},
        originals=CaptionColumns.of(originals),
        translations=CaptionColumns.of(translations, sources),
        options=PlanOptions(**options),
        clip_weights=weights,
    )


def units(batches):
    """Of each batch, the ids of its captions by original."""
    found = []
    for batch in batches:
        by_source = {}
        for key in (key for item in batch for key in item.captions):
            by_source.setdefault(key[:5], []).append(key)
        found.append(by_source)
    return found


def test_every_original_with_all_of_its_translations():
    plan = make_plan()
    batches = units(plan.batches(1))
    assert sum(len(batch) for batch in batches) == 40
    for batch in batches:
        assert len(batch) <= 6  # originals, not captions
        for source, keys in batch.items():
            assert source in keys
            assert sorted(plan.captions[key].lang for key in keys) == sorted(LANGS)
    assert plan.count(1) == {"deu_Latn": 40, "eng_Latn": 40, "fra_Latn": 40}
    assert list(plan.batches(1)) != list(plan.batches(2))


def test_every_original_with_one_translation_that_is_drawn_anew():
    plan = make_plan(le_pairing="co_anchor")
    drawn = Counter()
    for epoch in range(1, 101):
        for batch in units(plan.batches(epoch)):
            for source, keys in batch.items():
                assert len(keys) == 2
                assert source in keys
                drawn.update(key for key in keys if key != source)
    # the same amount in every epoch however many languages, and no language preferred
    assert sum(drawn.values()) == 4000
    assert np.mean([drawn[f"c{clip:02d}x0deu_Latn"] for clip in range(20)]) == pytest.approx(
        50, abs=5
    )
    assert list(plan.batches(3)) == list(make_plan(le_pairing="co_anchor").batches(3))


def test_missing_translations_are_counted_and_said():
    missing = [(0, 0, "deu_Latn"), (0, 0, "fra_Latn"), (1, 1, "deu_Latn")]
    plan = make_plan(missing=missing, unknown=[(2, 0, "deu_Latn")])
    # four clips are French, the others English
    assert plan.pairing.missing == {"deu_Latn": 3, "eng_Latn": 32, "fra_Latn": 9}
    assert plan.describe() == (
        "40 captions; with each all of its translations into deu_Latn eng_Latn fra_Latn; captions without a "
        "translation: deu_Latn 3, eng_Latn 32, fra_Latn 9; 1 translations left out, since their originals "
        "are not known"
    )
    for pairing, alone in (("one_to_k", 1), ("co_anchor", 1)):
        batches = units(make_plan(missing=missing, le_pairing=pairing).batches(1))
        assert sum(len(keys) == 1 for batch in batches for keys in batch.values()) == alone


def test_one_language_and_one_caption_per_clip():
    plan = make_plan(le_langs=["deu_Latn"], clip_captions="one")
    assert plan.count(1) == {"deu_Latn": 20, "eng_Latn": 16, "fra_Latn": 4}
    assert set(plan.draw(1)) != set(plan.draw(2))


def test_weights_repeat_an_original_with_its_translations():
    plan = make_plan(weights={"c00": 2.0})
    counts = Counter(plan.draw(1))
    assert {counts[key] for key in counts if key.startswith("c00")} == {2}
    assert sum(counts.values()) == 120 + 6


@pytest.mark.parametrize("pairing", ["one_to_k", "co_anchor"])
def test_ranks_share_what_one_process_sees(pairing):
    plan = make_plan(le_pairing=pairing)
    whole = plan.batches(2)
    parts = [plan.batches(2, rank, 3) for rank in range(3)]
    for batch, *shares in zip(whole, *parts):
        assert sorted(batch) == sorted(item for share in shares for item in share)


def test_nothing_to_pair():
    with pytest.raises(UserError, match="le_ratio: 0 means that there are none"):
        make_plan(le_ratio=0.0)
    everything = [(clip, number, lang) for clip in range(20) for number in (0, 1) for lang in LANGS]
    with pytest.raises(
        UserError, match="nothing says which captions the translations were made from"
    ):
        make_plan(unknown=everything)
    with pytest.raises(UserError, match="there are no translations"):
        make_plan(missing=everything)
    with pytest.raises(UserError, match="le_pairing must be one of"):
        make_plan(le_pairing="all")


def naive_seconds(batch, lengths, longest=None):
    used = [min(lengths[item.clip], longest or 1e9) for item in batch]
    return len(used) * max(used)


@pytest.mark.parametrize("clip_length", [None, 10.0])
def test_batches_by_length_of_sound(clip_length):
    plan = make_plan(batch_size=50, batch_length=60.0, clip_length=clip_length, length_buckets=4)
    batches = plan.batches(1)
    sizes = [naive_seconds(batch, plan.lengths, clip_length) for batch in batches]
    assert sum(size > 60.0 for size in sizes) <= 1  # with a clip that was left over
    assert sum(len(keys) for batch in units(batches) for keys in batch.values()) == 120
    # short clips, many; long ones, few
    by_clips = sorted(
        (len(batch), max(plan.lengths[item.clip] for item in batch)) for batch in batches
    )
    assert by_clips[-1][0] > by_clips[0][0]
    assert by_clips[-1][1] <= by_clips[0][1]
    few = make_plan(batch_size=4, batch_length=60.0).batches(1)
    assert max(len(batch) for batch in units(few)) == 4


def test_a_batch_too_short_for_two_clips():
    with pytest.raises(UserError, match=r"holds 0.75 times the length of two of the longest clips"):
        make_plan(batch_length=30.0)
