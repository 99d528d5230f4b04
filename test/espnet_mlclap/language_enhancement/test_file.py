import pytest

from espnet_mlclap.fileio.data_dir import read_captions
from espnet_mlclap.language_enhancement.file import given_translations
from espnet_mlclap.utils.errors import UserError

OWN = [
    ("a-eng_Latn-1", "a", "eng_Latn", "a dog"),
    ("a-eng_Latn-2", "a", "eng_Latn", "a big dog"),
    ("b-eng_Latn-1", "b", "eng_Latn", "rain"),
    ("b-fra_Latn-1", "b", "fra_Latn", "la pluie"),
]
GIVEN = [
    ("a-fra_Latn-1", "a", "fra_Latn", "un chien"),
    ("a-fra_Latn-2", "a", "fra_Latn", "un grand chien"),
    ("a-fra_Latn-7", "a", "fra_Latn", "encore un chien"),
    ("a-deu_Latn-1", "a", "deu_Latn", "ein Hund"),
    ("b-fra_Latn-1", "b", "fra_Latn", "il pleut"),  # the set has a caption of this id
    ("c-fra_Latn-1", "c", "fra_Latn", "un chat"),
]


@pytest.fixture
def take(make_data_dir):
    own = make_data_dir(OWN)
    translations = make_data_dir(GIVEN, "given")

    def take(langs, captions_per_clip="all", seed=0, given=translations, **options):
        return given_translations(
            given, read_captions(own), "eng_Latn", langs,
            captions_per_clip=captions_per_clip, seed=seed, where="data/train", **options,
        )  # fmt: skip

    return take


def test_captions_of_the_sets_clips_in_the_languages_wanted(take):
    pairs = take(["fra_Latn"])
    assert [(task.key, task.source_key, text) for task, text in pairs] == [
        ("a-fra_Latn-1", "a-eng_Latn-1", "un chien"),
        ("a-fra_Latn-2", "a-eng_Latn-2", "un grand chien"),
        ("a-fra_Latn-7", "a-eng_Latn-1", "encore un chien"),
    ]
    assert {task.lang for task, _ in take(["fra_Latn", "deu_Latn"])} == {"fra_Latn", "deu_Latn"}


def test_one_for_each_clip_and_language(take):
    drawn = {take(["fra_Latn", "deu_Latn"], "one", seed)[1][0].key for seed in range(30)}
    assert drawn == {"a-fra_Latn-1", "a-fra_Latn-2", "a-fra_Latn-7"}
    assert len(take(["fra_Latn", "deu_Latn"], "one")) == 2


def test_clips_without_translation_are_counted(take, caplog):
    take(["fra_Latn"])
    assert "1 of 2 clips have nothing in fra_Latn" in caplog.text


def test_where_only_what_lacks_is_wanted(take, caplog):
    caplog.set_level("INFO")
    pairs = take(["fra_Latn", "deu_Latn"], lacking_only=True)
    assert {task.source.clip for task, _ in pairs if task.lang == "fra_Latn"} == {"a"}
    assert len(pairs) == 4
    assert "nothing in fra_Latn" not in caplog.text
    assert "1 of 2 clips have nothing in deu_Latn" in caplog.text
    assert "given: 1 of 6 given captions belong to no clip of data/train" in caplog.text


def test_nothing_for_the_set_is_an_error(take):
    with pytest.raises(UserError, match="given: nothing in it is for this set.*jpn_Jpan"):
        take(["jpn_Jpan"])


def test_what_the_set_has_already_is_said(take, make_data_dir):
    given = make_data_dir([("b-fra_Latn-1", "b", "fra_Latn", "il pleut")], "own_ids")
    with pytest.raises(UserError, match="own_ids: has nothing that this set, data/train, does not"):
        take(["fra_Latn"], given=given)


def test_paraphrases_may_be_numbered_like_the_originals(take, make_data_dir):
    rows = [
        ("a-eng_Latn-1", "a", "eng_Latn", "a hound"),
        ("a-eng_Latn-2", "a", "eng_Latn", "a big dog"),  # the original itself
        ("a-eng_Latn-3", "a", "eng_Latn", "some dog"),
        ("b-eng_Latn-1", "b", "eng_Latn", "it rains"),
    ]
    pairs = take([], given=make_data_dir(rows, "paraphrases"), rewrite=True)
    assert [(task.key, task.source_key, text) for task, text in pairs] == [
        ("a-eng_Latn-4", "a-eng_Latn-1", "a hound"),
        ("a-eng_Latn-3", "a-eng_Latn-1", "some dog"),
        ("b-eng_Latn-2", "b-eng_Latn-1", "it rains"),
    ]
    originals = make_data_dir([row for row in OWN if row[2] == "eng_Latn"], "same")
    with pytest.raises(UserError, match="does not have already.*ids and the words of the set's"):
        take([], given=originals, rewrite=True)
