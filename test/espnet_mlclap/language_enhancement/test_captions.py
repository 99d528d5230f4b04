from collections import Counter

import pytest

from espnet_mlclap.fileio.data_dir import Caption
from espnet_mlclap.language_enhancement.captions import plan, same_number
from espnet_mlclap.utils.errors import UserError


def captions(clips=40, each=5, lang="eng_Latn"):
    return {
        f"clip{c}-{lang}-{n}": Caption(f"caption {n} of {c}", f"clip{c}", lang)
        for c in range(clips)
        for n in range(1, each + 1)
    }


def make(data, langs=("fra_Latn", "deu_Latn"), source="eng_Latn", **options):
    options = {"captions_per_clip": "one", "seed": 0, "where": "data/train", **options}
    return plan(data, source, langs, **options)


def test_one_caption_for_each_clip_and_language():
    tasks = make(captions())
    assert Counter((task.source.clip, task.lang) for task in tasks) == Counter(
        {(f"clip{c}", lang): 1 for c in range(40) for lang in ("fra_Latn", "deu_Latn")}
    )
    assert all(task.key == task.source_key.replace("eng_Latn", task.lang) for task in tasks)
    # all five are drawn, and not the same for both languages
    assert {task.source_key[-1] for task in tasks} == set("12345")
    by_clip = {}
    for task in tasks:
        by_clip.setdefault(task.source.clip, set()).add(task.source_key)
    assert 20 < sum(len(chosen) == 2 for chosen in by_clip.values()) < 40  # expected: 32


def test_the_draw_depends_on_seed_clip_and_language_alone():
    data = captions()
    tasks = make(data)
    assert tasks == make(dict(reversed(list(data.items()))))
    assert tasks != make(data, seed=1)
    part = {key: caption for key, caption in data.items() if caption.clip in ("clip3", "clip7")}
    expected = [task for task in tasks if task.source.clip in ("clip3", "clip7")]
    assert make(part) == expected
    assert [task for task in tasks if task.lang == "deu_Latn"] == make(data, langs=["deu_Latn"])


def test_all_captions():
    tasks = make(captions(3), captions_per_clip="all")
    assert sorted(task.key for task in tasks) == sorted(
        f"clip{c}-{lang}-{n}"
        for c in range(3)
        for lang in ("fra_Latn", "deu_Latn")
        for n in range(1, 6)
    )


def test_ids_do_not_meet_those_of_originals():
    data = captions(1, 3)
    data["clip0-fra_Latn-2"] = Caption("un chien", "clip0", "fra_Latn")
    data["own name"] = Caption("a cat", "clip0", "eng_Latn")
    tasks = make(data, langs=["fra_Latn"], captions_per_clip="all")
    keys = [task.key for task in tasks]
    assert len(keys) == len(set(keys)) == 4
    assert not set(keys) & set(data)
    assert all(key.startswith("clip0-fra_Latn-") for key in keys)
    numbers = {task.source_key: task.key[-1] for task in tasks}
    assert numbers["clip0-eng_Latn-3"] == "3"


def test_source_language_may_be_any_and_is_passed_over_as_a_target():
    data = {**captions(2, 1), **captions(3, 1, "fra_Latn")}
    tasks = make(data, langs=["eng_Latn", "fra_Latn", "por_Latn"], source="fra_Latn")
    assert {task.source.lang for task in tasks} == {"fra_Latn"}
    assert sorted({task.lang for task in tasks}) == ["eng_Latn", "por_Latn"]
    assert len(tasks) == 6


def test_numbers():
    caption = Caption("a dog", "a-b", "eng_Latn")
    assert same_number("a-b-eng_Latn-12", caption, "fra_Latn") == "a-b-fra_Latn-12"
    assert same_number("else", caption, "fra_Latn") == ""
    assert same_number("a-b-eng_Latn-x", caption, "fra_Latn") == ""


def test_languages_that_a_clip_has_already_may_be_passed_over():
    data = {**captions(3, 2), **captions(1, 5, "fra_Latn"), **captions(2, 1, "deu_Latn")}
    tasks = make(data, captions_per_clip="all", lacking_only=True)
    assert Counter((task.source.clip, task.lang) for task in tasks) == {
        ("clip1", "fra_Latn"): 2, ("clip2", "fra_Latn"): 2, ("clip2", "deu_Latn"): 2,
    }  # fmt: skip
    complete = {**captions(3, 2), **captions(3, 1, "fra_Latn")}
    assert make(complete, langs=["fra_Latn"], lacking_only=True) == []
    assert len(make(complete, langs=["fra_Latn"])) == 3


def test_clips_without_a_caption_to_translate_are_counted(caplog):
    data = {**captions(1, 1), **captions(99, 1, "deu_Latn")}
    assert len(make(data, langs=["fra_Latn"])) == 1
    assert "data/train: 98 of 99 clips have no caption in eng_Latn" in caplog.text


def test_nothing_to_translate_is_an_error():
    with pytest.raises(
        UserError, match="data/train: no caption is in fra_Latn.*available: eng_Latn"
    ):
        make(captions(), source="fra_Latn", langs=["deu_Latn"])
    with pytest.raises(UserError, match="no language but the source language"):
        make(captions(), langs=["eng_Latn"])
