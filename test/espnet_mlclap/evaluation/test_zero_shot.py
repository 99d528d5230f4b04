"""Zero-shot classification against a loop, and where its prompts may come from."""

import numpy as np
import pytest

from espnet_mlclap.evaluation.zero_shot import (
    Prompt,
    prompts_of_complete_languages,
    prompts_of_training_data,
    read_prompt_embeddings,
    read_prompts,
    write_prompt_embeddings,
    zero_shot_scores,
)
from espnet_mlclap.fileio.data_dir import Caption, DataDir, caption_id
from espnet_mlclap.utils.errors import UserError


def test_accuracy_equals_a_loop():
    generator = np.random.default_rng(0)
    names = ["rain", "dog", "crying baby"]
    centres = dict(zip(names, generator.standard_normal((3, 8))))
    labels = [names[index] for index in generator.integers(3, size=50)]
    audio = np.array([centres[label] + 1.5 * generator.standard_normal(8) for label in labels])
    prompts = [
        Prompt(name, lang, f"{name} {number}")
        for lang in ("fra_Latn", "eng_Latn")
        for name in names
        for number in range(4)
    ]
    text = np.array([centres[p.label] + generator.standard_normal(8) for p in prompts])
    scores = zero_shot_scores(audio, labels, prompts, text, replicates=200)
    assert list(scores) == ["eng_Latn", "fra_Latn"]
    for lang, entry in scores.items():
        right = []
        for vector, label in zip(audio, labels):
            similarity = {}
            for name in names:
                rows = [i for i, p in enumerate(prompts) if (p.label, p.lang) == (name, lang)]
                mean = np.mean([text[row] / np.linalg.norm(text[row]) for row in rows], axis=0)
                similarity[name] = vector @ mean / np.linalg.norm(mean)
            right.append(max(similarity, key=similarity.get) == label)
        assert entry["accuracy"] == pytest.approx(100 * np.mean(right))
        assert entry["interval"][0] < entry["accuracy"] < entry["interval"][1]
        assert entry["chance"] == pytest.approx(100 / 3)
        assert (entry["clips"], entry["classes"], entry["prompts"]) == (50, 3, 12)
        rain = [hit for hit, label in zip(right, labels) if label == "rain"]
        assert entry["per_class"]["rain"] == pytest.approx(100 * np.mean(rain))


def test_level_classes_share_a_clip():
    prompts = [Prompt("a", "eng_Latn", "x"), Prompt("b", "eng_Latn", "x")]
    scores = zero_shot_scores(np.eye(2), ["a", "b"], prompts, np.ones((2, 2)), replicates=10)
    assert scores["eng_Latn"]["accuracy"] == pytest.approx(50.0)


def test_a_class_without_prompts_is_an_error():
    prompts = [Prompt("a", "eng_Latn", "x")]
    with pytest.raises(UserError, match="no caption in eng_Latn stands for the class b"):
        zero_shot_scores(np.eye(2), ["a", "b"], prompts, np.ones((1, 2)))


@pytest.fixture
def training_dirs(tmp_path):
    clips = {"c1": "dog", "c2": "dog", "c3": "crying baby"}
    captions, translated = {}, {}
    for clip, label in clips.items():
        captions[caption_id(clip, "eng_Latn", 1)] = Caption(f"A {label}.", clip, "eng_Latn")
        translated[caption_id(clip, "fra_Latn", 1)] = Caption(f"Un {label}.", clip, "fra_Latn")
    DataDir(wav_scp={clip: f"{clip}.wav" for clip in clips}, captions=captions, labels=clips).write(
        tmp_path / "train"
    )
    DataDir(captions=translated).write(tmp_path / "train_le")
    return [tmp_path / "train", tmp_path / "train_le"]


def test_prompts_are_the_distinct_captions_of_training_clips(training_dirs):
    assert prompts_of_training_data(training_dirs, ["t1"]) == [
        Prompt("crying baby", "eng_Latn", "A crying baby."),
        Prompt("crying baby", "fra_Latn", "Un crying baby."),
        Prompt("dog", "eng_Latn", "A dog."),
        Prompt("dog", "fra_Latn", "Un dog."),
    ]


def test_a_language_of_which_some_classes_have_captions_is_left_out(caplog):
    prompts = [Prompt(label, "eng_Latn", label) for label in ("cat", "dog", "rain")]
    some = Prompt("dog", "por_Latn", "cão")
    assert prompts_of_complete_languages([*prompts, some], ["dog", "cat"]) == prompts
    assert "leaves por_Latn out: no caption in it of cat" in caplog.text
    # classes of no clip need none; where no language has all, it is the scoring's to say so
    assert prompts_of_complete_languages([some], ["dog"]) == [some]
    assert prompts_of_complete_languages([some], ["dog", "cat"]) == [some]


def test_prompts_of_test_clips_are_refused(training_dirs):
    with pytest.raises(UserError, match="1 clips are also in the test set"):
        prompts_of_training_data(training_dirs, ["c2", "t1"])


def test_prompts_need_labels(training_dirs):
    with pytest.raises(UserError, match="no clip2label"):
        prompts_of_training_data(training_dirs[1:], [])
    path = training_dirs[1] / "utt2clip"
    path.write_text(path.read_text().replace(" c3", " c9"))
    with pytest.raises(UserError, match="the clip 'c9' .* has no label"):
        prompts_of_training_data(training_dirs, [])


def test_prompts_survive_the_disk(tmp_path):
    prompts = [Prompt("crying baby", "jpn_Jpan", "赤ちゃんが泣く"), Prompt("a", "eng_Latn", '"A"')]
    write_prompt_embeddings(tmp_path / "prompts", prompts, np.eye(2, dtype=np.float32))
    again, text = read_prompt_embeddings(tmp_path / "prompts")
    assert again == prompts
    np.testing.assert_array_equal(text, np.eye(2))
    np.save(tmp_path / "prompts" / "text_embeddings.npy", np.eye(3))
    with pytest.raises(UserError, match="2 prompts but 3 embeddings"):
        read_prompt_embeddings(tmp_path / "prompts")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "cannot be read"),
        ("dog\teng_Latn\tA dog.\n", "prompts.tsv:1: must be the header"),
        ("label\tlang\tcaption\n", "has no prompts"),
        ("label\tlang\tcaption\ndog\teng_Latn\n", "prompts.tsv:2: must have a label"),
        ("label\tlang\tcaption\ndog\teng_Latn\t \n", "prompts.tsv:2: must have a label"),
        ("label\tlang\tcaption\ndog\teng\tA dog.\n", "prompts.tsv:2: unknown language code 'eng'"),
    ],
)
def test_broken_prompt_files(tmp_path, text, message):
    path = tmp_path / "prompts.tsv"
    if text is not None:
        path.write_text(text)
    with pytest.raises(UserError, match=message):
        read_prompts(path)
