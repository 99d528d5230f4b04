"""Students: teachers embed the training set once, and a training learns from what they estimate."""

import logging
import os
import shutil

import numpy as np
import pytest
import torch

from espnet_mlclap.bin import embed_training_set, pack
from espnet_mlclap.evaluation.embedding_table import EmbeddingTable
from espnet_mlclap.inference import MLCLAP
from espnet_mlclap.utils.errors import UserError

BEST = "valid.mAP@10.best.pth"
TABLES = ("clips", "captions", "translations")
STUDENT = ["--loss", "correspondences", "--loss_conf", "temperature=0.05"]


def embed(teacher, tones, out, *more, le_data_dir="train_le"):
    arguments = ["--teacher", teacher, "--data_dir", tones / "train", "--out_dir", out, *more]
    if le_data_dir is not None:
        arguments += ["--le_data_dir", tones / le_data_dir]
    embed_training_set.main([str(word) for word in arguments])
    return out


@pytest.fixture(scope="module")
def wide_teacher(training_options, run_training, tmp_path_factory):
    """Another width of the shared space, another encoder's width; as a packed file."""
    folder = tmp_path_factory.mktemp("wide") / "exp"
    more = ["--model_conf", "embed_size=24", "--audio_encoder_conf", "embed_dim=32", "--seed", "4"]
    run_training(training_options, folder, 1, *more)
    packed = folder.parent / "wide.zip"
    pack.main(["--experiment_dir", str(folder), "--model_file", BEST, "--out", str(packed)])
    return packed


@pytest.fixture(scope="module")
def vectors(experiment, wide_teacher, tones, tmp_path_factory):
    """Folders of vectors of two teachers."""
    folder = tmp_path_factory.mktemp("vectors")
    return [
        embed(teacher, tones, folder / name)
        for teacher, name in ((experiment, "first"), (wide_teacher, "second"))
    ]


def test_shares_of_several_jobs_are_the_same_vectors(experiment, vectors, tones, tmp_path):
    for share in ("1/2", "2/2"):
        embed(experiment, tones, tmp_path / "shared", "--shard", share, "--batch_size", 4)
        assert not (tmp_path / "shared/clips").exists()
    embed(experiment, tones, tmp_path / "shared", "--batch_size", 4)
    embed(experiment, tones, tmp_path / "alone", "--batch_size", 4)
    for name in TABLES:
        for file in ("ids.npy", "rows.npy", "identity"):
            one, other = (tmp_path / run / name / file for run in ("shared", "alone"))
            assert one.read_bytes() == other.read_bytes()
    assert sorted(path.name for path in (tmp_path / "shared").glob("*of*")) == []


def test_every_clip_and_caption_is_embedded_as_anywhere_else(experiment, vectors, tones):
    from espnet_mlclap.fileio.data_dir import DataDir, read_captions

    model = MLCLAP.from_pretrained(experiment)
    data = DataDir.read(tones / "train")
    translations = read_captions(tones / "train_le")
    clips, own, translated = (EmbeddingTable(vectors[0] / name) for name in TABLES)
    assert (len(clips), len(own), len(translated)) == (12, 12, 12)
    expected = model.encode_audio(list(data.wav_scp.values()))
    np.testing.assert_allclose(clips.vectors(clips.find(list(data.wav_scp))), expected, atol=1e-3)
    for table, ones in ((own, data.captions), (translated, translations)):
        expected = model.encode_text(
            [one.text for one in ones.values()], [one.lang for one in ones.values()]
        )
        np.testing.assert_allclose(table.vectors(table.find(list(ones))), expected, atol=1e-3)
        assert table._rows.dtype == np.float16


def made(folder):
    return {name: os.stat(folder / name / "rows.npy").st_mtime_ns for name in TABLES}


@pytest.fixture
def changing(tones, tmp_path):
    """A copy of the sets that a test may change."""
    shutil.copytree(tones, tmp_path / "tones")
    return tmp_path / "tones"


def test_made_once_and_again_when_teacher_or_data_change(experiment, changing, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    teacher = tmp_path / "teacher"
    shutil.copytree(experiment, teacher, symlinks=True)
    out = embed(teacher, changing, tmp_path / "out")
    first = made(out)
    caplog.clear()
    embed(teacher, changing, out)
    assert made(out) == first
    assert "12 clips, 24 captions are there" in caplog.text
    text = changing / "train_le/text"
    text.write_text(text.read_text().replace("Ein Hund", "Eine Katze", 1))
    embed(teacher, changing, out)
    second = made(out)
    assert second["clips"] == first["clips"]
    assert second["captions"] == first["captions"]
    assert second["translations"] != first["translations"]
    states = torch.load(teacher / BEST, weights_only=True)
    states["audio_projection.0.bias"] += 0.01
    torch.save(states, teacher / "other.pth")
    (teacher / BEST).unlink()
    (teacher / BEST).symlink_to("other.pth")
    embed(teacher, changing, out)
    third = made(out)
    assert not set(third.items()) & set(second.items())
    embed(teacher / "latest.pth", changing, out)  # another checkpoint of it
    assert not set(made(out).items()) & set(third.items())


def test_trainings_with_and_without_translations_share_what_is_made(
    experiment, wide_teacher, tones, tmp_path
):
    """Neither embeds again what the other has, nor takes from it what it needs."""
    from espnet_mlclap.train.teachers import Teachers

    out = embed(experiment, tones, tmp_path / "out")
    first = made(out)
    embed(experiment, tones, out, le_data_dir=None)
    assert made(out) == first
    Teachers([[out]]).check(["train3"], ["train3-eng_Latn-1", "train3-deu_Latn-1"])
    # translations of other weights, which a training without any does not embed, may lie beside
    embed(wide_teacher, tones, out, le_data_dir=None)
    assert made(out)["translations"] == first["translations"]
    found = Teachers([[out]]).captions(["train3-eng_Latn-1"])
    table = EmbeddingTable(embed(wide_teacher, tones, tmp_path / "wide") / "captions")
    expected = table.vectors(table.find(["train3-eng_Latn-1"]))
    np.testing.assert_allclose(found, expected / np.linalg.norm(expected), rtol=1e-5)


def test_a_student_hears_paraphrases_too(
    experiment, changing, run_training, training_options, tmp_path
):
    from espnet_mlclap.fileio.data_dir import Caption, caption_id, write_captions

    paraphrases = {
        caption_id(f"train{number}", "eng_Latn", 2): Caption(
            "Some dog", f"train{number}", "eng_Latn"
        )
        for number in range(12)
    }
    folder = changing / "train_paraphrased"
    folder.mkdir()
    write_captions(folder, paraphrases)
    out = embed(experiment, changing, tmp_path / "out", "--paraphrase_data_dir", folder)
    more = ["--paraphrase_data_dir", str(folder), "--paraphrase_ratio", "0.5"]
    taught = ["--teacher_embeddings", str(out), *STUDENT]
    run_training(training_options, tmp_path / "exp", 1, *taught, *more)
    assert (tmp_path / "exp/checkpoint.pth").exists()


def test_it_goes_on_after_a_kill(experiment, tones, tmp_path, monkeypatch, caplog):
    from espnet_mlclap.models.two_tower import TwoTowerModel

    caplog.set_level(logging.INFO)
    whole = embed(experiment, tones, tmp_path / "whole", "--batch_size", "5")
    encode, calls = TwoTowerModel.encode_audio, []

    def until_the_second(model, audio, lengths):
        calls.append(len(audio))
        if len(calls) == 2:
            raise KeyboardInterrupt
        return encode(model, audio, lengths)

    with monkeypatch.context() as patched:
        patched.setattr(TwoTowerModel, "encode_audio", until_the_second)
        with pytest.raises(SystemExit):
            embed(experiment, tones, tmp_path / "out", "--batch_size", "5")
    out = embed(experiment, tones, tmp_path / "out", "--batch_size", "5")
    assert "continues after 5 of 12 clips" in caplog.text
    for name in TABLES:
        same = [np.load(folder / name / "rows.npy") for folder in (whole, out)]
        np.testing.assert_array_equal(*same)


def test_a_student_of_two_teachers_of_unlike_width(
    experiment, vectors, run_training, training_options, tmp_path
):
    taught = [word for folder in vectors for word in ("--teacher_embeddings", str(folder))]
    start = ["--init_param", str(experiment / BEST)]
    folder = run_training(training_options, tmp_path / "exp", 2, *taught, *STUDENT, *start)
    model = MLCLAP.from_pretrained(folder)
    assert model.embed_size == 16
    lines = (folder / "history.jsonl").read_text().splitlines()
    assert len(lines) == 2
    assert '"distillation"' in lines[0]
    states = torch.load(folder / "latest.pth", weights_only=True)
    assert states.keys() == torch.load(experiment / "latest.pth", weights_only=True).keys()


def test_batches_say_what_the_teachers_estimate(vectors, tones, tmp_path):
    """The product of a batch's vectors is the mean of the teachers' cosines, whatever their widths."""
    from espnet_mlclap.fileio.caption_columns import CaptionColumns
    from espnet_mlclap.fileio.data_dir import read_captions, read_table
    from espnet_mlclap.iterators.epoch import ClipCaptions
    from espnet_mlclap.train.collate_fn import MLCLAPCollateFn
    from espnet_mlclap.train.dataset import CaptionedClipDataset
    from espnet_mlclap.train.teachers import Teachers

    class Letters:
        pad_id = 0

        def __call__(self, caption, lang):
            return np.array([ord(letter) for letter in caption], dtype=np.int64)

    captions = {**read_captions(tones / "train"), **read_captions(tones / "train_le")}
    teachers = Teachers([[folder] for folder in vectors])
    assert teachers.size == 16 + 24
    data = CaptionedClipDataset(
        wav_scp=read_table(tones / "train/wav.scp"),
        captions=CaptionColumns.of(captions),
        tokenizer=Letters(),
        langs=["eng_Latn", "deu_Latn"],
        teachers=teachers,
    )
    both = ("train3-deu_Latn-1", "train3-eng_Latn-1")
    items = [ClipCaptions("train7", ("train7-eng_Latn-1",), 1), ClipCaptions("train3", both, 1)]
    keys, batch = MLCLAPCollateFn(pad_id=0)([data[item] for item in items])
    estimated = batch["teacher_audio"] @ batch["teacher_text"].T
    expected = 0.0
    for folder in vectors:
        clips, own, translated = (EmbeddingTable(folder / name) for name in TABLES)
        a = clips.vectors(clips.find(["train7", "train3"]))
        tables = [translated if "deu_Latn" in key else own for key in keys]
        t = np.concatenate([one.vectors(one.find([key])) for one, key in zip(tables, keys)])
        cosines = a @ t.T / np.linalg.norm(a, axis=1)[:, None] / np.linalg.norm(t, axis=1)
        expected = expected + cosines / 2
    np.testing.assert_allclose(estimated, expected, atol=1e-6)


def test_what_a_teacher_lacks_is_named_before_the_training(
    experiment, vectors, tones, run_training, training_options, tmp_path
):
    from espnet_mlclap.train.teachers import Teachers

    teachers = Teachers([[vectors[0]], [vectors[1]]])
    teachers.check(["train3"], ["train3-deu_Latn-1"])
    with pytest.raises(UserError, match="teacher of .*first lacks the clip 'valid20'"):
        teachers.check(["train3", "valid20"], [])
    english = embed(experiment, tones, tmp_path / "english", le_data_dir=None)
    taught = ["--teacher_embeddings", str(english), *STUDENT]
    with pytest.raises(
        UserError, match="english lacks the caption 'train0-deu_Latn-1'. Run stage 5"
    ):
        run_training(training_options, tmp_path / "exp", 1, *taught)
    assert not (tmp_path / "exp/checkpoint.pth").exists()


def test_teachers_and_a_loss_that_learns_from_them_go_together(
    vectors, run_training, training_options, tmp_path
):
    with pytest.raises(
        UserError, match="correspondences: learns from teachers, but there are none"
    ):
        run_training(training_options, tmp_path / "exp", 1, *STUDENT)
    taught = ["--teacher_embeddings", str(vectors[0])]
    for loss in (["--loss", "infonce"], [*STUDENT, *WITHOUT]):
        with pytest.raises(UserError, match="does not learn from teachers"):
            run_training(training_options, tmp_path / "exp", 1, *taught, *loss)


WITHOUT = ["--loss_conf", "supervised_weight=1.0", "--loss_conf", "distillation_weight=0.0"]


@pytest.mark.parametrize(
    ("teacher", "message"),
    [
        ("nowhere", "--teacher nowhere: no such experiment folder, checkpoint or packed model"),
        ("{tmp}", "config.yaml: no such file. Give a trained experiment"),
    ],
)
def test_mistakes_are_named(tones, tmp_path, teacher, message, capsys):
    with pytest.raises(SystemExit):
        embed(teacher.format(tmp=tmp_path), tones, tmp_path / "out")
    assert message in capsys.readouterr().err
