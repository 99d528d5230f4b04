"""Epochs drawn from columns, against the slow form; over sets in memory and on disk, one and several."""

import itertools

import numpy as np
import pytest

from espnet_mlclap.fileio.caption_columns import CaptionColumns
from espnet_mlclap.fileio.data_dir import Caption, DataDir, write_table
from espnet_mlclap.fileio.set_table import make_set_table
from espnet_mlclap.iterators.epoch_plan import EpochPlan
from espnet_mlclap.iterators.plan_options import PlanOptions
from espnet_mlclap.train.training_sets import read_training_sets

LANGS = ["fra_Latn", "deu_Latn", "jpn_Jpan"]
OPTIONS = [
    {},
    {"le_langs": ["jpn_Jpan", "deu_Latn"], "le_ratio": 0.7},
    {"le_sharing": "shared", "le_ratio": 0.9, "batch_size": 5},
    {"clip_captions": "one", "le_ratio": 0.6},
    {"batch_length": 90.0, "clip_length": 30.0},
    {"batch_length": 90.0, "length_buckets": 1},
    {"paraphrase_ratio": 0.5},
    {"le_pairing": "one_to_k", "clip_captions": "one", "batch_size": 4},
    {"le_pairing": "co_anchor", "length_buckets": 5},
    {"le_ratio": 0.0},
]


def slow_draw(plan, epoch):
    """Groups of ids that stay together, and the generator after it has drawn them.

    Args:
        plan: a dictionary of lengths, originals, translations, paraphrases, sources, weights, options.
        epoch: its number.
    """
    options = plan["options"]
    generator = np.random.default_rng([options.seed, epoch])
    captions = {**plan["originals"], **plan["translations"], **plan["paraphrases"]}
    wanted = options.le_langs or {caption.lang for caption in plan["translations"].values()}
    originals = sorted(plan["originals"])
    translations = sorted(
        key
        for key, caption in plan["translations"].items()
        if caption.lang in wanted and caption.clip in plan["lengths"] and options.le_ratio > 0
    )
    langs = {captions[key].lang for key in translations}
    ratio = options.le_ratio
    if options.le_sharing == "shared" and langs:
        ratio /= len(langs)

    def one_each(keys, owner):
        own = {}
        for key in keys:
            own.setdefault(owner(captions[key]), []).append(key)
        picks = generator.random(len(own))
        return [some[int(pick * len(some))] for some, pick in zip(own.values(), picks)]

    drawn = list(originals)
    if options.clip_captions == "one":
        drawn = one_each(drawn, lambda caption: caption.clip)
    if options.le_pairing == "mixture":
        more = translations
        if options.clip_captions == "one":
            more = one_each(more, lambda caption: (caption.clip, caption.lang))
        drawn += [key for key, chance in zip(more, generator.random(len(more))) if chance < ratio]
        rewritten = sorted(plan["paraphrases"]) if options.paraphrase_ratio > 0 else []
        if rewritten:
            chances = generator.random(len(rewritten))
            drawn += [k for k, one in zip(rewritten, chances) if one < options.paraphrase_ratio]
    if plan["weights"]:
        chances = generator.random(len(drawn))
        times = [
            int(plan["weights"].get(captions[key].clip, 1.0) + chance)
            for key, chance in zip(drawn, chances)
        ]
        drawn = [key for key, number in zip(drawn, times) for _ in range(number)]
    if options.le_pairing == "mixture":
        return [[key] for key in drawn], generator
    others = {key: [] for key in originals}
    for key in sorted(translations, key=lambda key: (captions[key].lang, key)):
        if plan["sources"].get(key) in others:
            others[plan["sources"][key]].append(key)
    if options.le_pairing == "one_to_k":
        return [[key, *others[key]] for key in drawn], generator
    picks = generator.random(len(drawn))
    return [
        [key, *([others[key][int(pick * len(others[key]))]] if others[key] else [])]
        for key, pick in zip(drawn, picks)
    ], generator


def slow_batches(plan, epoch, rank, world_size):
    """Batches of (clip, ids) of one rank."""
    options, lengths = plan["options"], plan["lengths"]
    captions = {**plan["originals"], **plan["translations"], **plan["paraphrases"]}
    groups, generator = slow_draw(plan, epoch)
    clips = [captions[keys[0]].clip for keys in groups]
    ordered = sorted(lengths, key=lambda clip: (lengths[clip], clip))
    bucket = {
        clip: place * options.length_buckets // len(ordered) for place, clip in enumerate(ordered)
    }
    used = {clip: min(length, options.clip_length or length) for clip, length in lengths.items()}
    filled = [[] for _ in range(options.length_buckets)]
    for place in generator.permutation(len(groups)):
        filled[bucket[clips[place]]].append(place)

    def full(places):
        done, batch = [], []
        for place in places:
            inside = {clips[other] for other in [*batch, place]}
            sound = len(inside) * max(used[clip] for clip in inside)
            too_much = options.batch_length is not None and sound > options.batch_length
            if batch and (len(batch) == options.batch_size or too_much):
                done.append(batch)
                batch = []
            batch.append(place)
        if options.batch_length is None and len(batch) == options.batch_size:
            return [*done, batch], []
        return done, batch

    found, rest = [], []
    for places in filled:
        done, left = full(places)
        found += done
        rest += left
    done, left = full(rest)
    found += done + ([left] if left else [])
    joined = []
    for batch in found:
        if joined and len({clips[place] for place in joined[-1]}) < world_size:
            joined[-1] = joined[-1] + batch
        else:
            joined.append(batch)
    if len(joined) > 1 and len({clips[place] for place in joined[-1]}) < max(2, world_size):
        joined[-2:] = [joined[-2] + joined[-1]]
    made = []
    for number in generator.permutation(len(joined)):
        by_clip = {}
        for place in joined[number]:
            by_clip.setdefault(clips[place], []).extend(groups[place])
        made.append([(clip, tuple(keys)) for clip, keys in by_clip.items()][rank::world_size])
    return made


def make(seed, weighted=False, **options):
    """Clips of random names, lengths, captions and translations, some of them missing or of no clip."""
    draws = np.random.default_rng(seed)
    clips = [
        f"{name}{number}" for number, name in enumerate(draws.choice(["é", "a", "a-b", "Z"], 37))
    ]
    plan = {
        "lengths": {clip: float(draws.integers(1, 45)) for clip in clips},
        "originals": {},
        "translations": {},
        "paraphrases": {},
        "sources": {},
        "weights": {clip: draws.choice([0.4, 1.7]) for clip in clips[5:]} if weighted else {},
        "options": PlanOptions(
            **{"batch_size": 16, "length_buckets": 3, "le_ratio": 0.4, **options}
        ),
    }
    for clip in [*clips, "gone"]:
        for number in range(draws.integers(1, 4)):
            key = f"{clip}-eng_Latn-{number}"
            if clip != "gone":
                plan["originals"][key] = Caption(f"sound {draws.integers(9)}", clip, "eng_Latn")
                plan["paraphrases"][f"{key}-p"] = Caption("other words", clip, "eng_Latn")
            for lang in LANGS:
                if draws.random() < 0.8:
                    translated = f"{clip}-{lang}-{number}"
                    plan["translations"][translated] = Caption(f"son {number} ü", clip, lang)
                    plan["sources"][translated] = key
    return plan


def columns(plan):
    return EpochPlan(
        lengths=plan["lengths"],
        originals=CaptionColumns.of(plan["originals"]),
        translations=CaptionColumns.of(plan["translations"], plan["sources"]),
        paraphrases=CaptionColumns.of(plan["paraphrases"]),
        clip_weights=plan["weights"],
        options=plan["options"],
    )


def shown(batches):
    return [[(item.clip, item.captions) for item in batch] for batch in batches]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("options", OPTIONS)
def test_the_same_epochs_as_the_slow_form(options, weighted):
    slow = make(3, weighted, **options)
    fast = columns(slow)
    for epoch in (1, 2):
        groups, _ = slow_draw(slow, epoch)
        assert fast.draw(epoch) == [key for keys in groups for key in keys]
        for world_size in (1, 3):
            for rank in range(world_size):
                expected = slow_batches(slow, epoch, rank, world_size)
                assert shown(fast.batches(epoch, rank, world_size)) == expected
        assert sum(fast.count(epoch).values()) == len(fast.draw(epoch))


@pytest.mark.parametrize("options", [{}, {"le_pairing": "co_anchor"}, {"le_ratio": 0.0}])
def test_sets_on_disk_in_several_folders_give_the_same(tmp_path, options):
    slow = make(4, **options)
    folders = write(slow, tmp_path)
    for tables in (False, True):
        if tables:
            assert all(make_set_table(folder) for folder in itertools.chain(*folders.values()))
        sets = read_training_sets(folders["sets"], translations=folders["le"])
        assert (sets.originals._parts[0].table._folder is not None) == tables
        assert sets.lengths == {clip: 16000 * value for clip, value in slow["lengths"].items()}
        assert sets.wav_scp == {clip: f"/{clip} x.flac" for clip in slow["lengths"]}
        assert sets.originals == slow["originals"]
        assert sets.translations == slow["translations"]
        plan = EpochPlan(
            lengths=sets.lengths,
            originals=sets.originals,
            translations=sets.translations,
            options=slow["options"],
        )
        assert shown(plan.batches(1)) == slow_batches(slow, 1, 0, 1)


def write(slow, folder):
    """The sets as two folders and their translations as two more, ids of which are mixed."""
    found = {"sets": [], "le": []}
    for part in (0, 1):
        clips = [clip for number, clip in enumerate(slow["lengths"]) if number % 2 == part]
        data = DataDir(extra={"utt2num_samples": {}})
        data.wav_scp = {clip: f"/{clip} x.flac" for clip in clips}
        data.extra["utt2num_samples"] = {
            clip: str(int(16000 * slow["lengths"][clip])) for clip in clips
        }
        data.captions = {k: one for k, one in slow["originals"].items() if one.clip in clips}
        others = {
            k: one
            for k, one in slow["translations"].items()
            if one.clip in clips or (part and one.clip == "gone")
        }
        data.write(folder / f"set{part}")
        DataDir(captions=others).write(folder / f"le{part}")
        write_table(folder / f"le{part}" / "utt2source", {k: slow["sources"][k] for k in others})
        found["sets"].append(folder / f"set{part}")
        found["le"].append(folder / f"le{part}")
    return found
