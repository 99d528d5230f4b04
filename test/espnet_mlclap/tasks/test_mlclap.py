"""The task trains, validates, saves, resumes, and says what is wrong."""

import json
import os

import numpy as np
import pytest
import torch
import yaml

from espnet_mlclap.bin import train
from espnet_mlclap.inference import MLCLAP
from espnet_mlclap.utils.errors import UserError

BEST = "valid.mAP@10.best.pth"


def weights(path):
    return torch.load(path, weights_only=True)


def assert_same_training(one, other):
    assert os.readlink(one / BEST) == os.readlink(other / BEST)
    assert os.readlink(one / "latest.pth") == os.readlink(other / "latest.pth")
    first, second = weights(one / "latest.pth"), weights(other / "latest.pth")
    assert first.keys() == second.keys()
    assert all(torch.equal(first[key], second[key]) for key in first)
    histories = [
        [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]
        for folder in (one, other)
    ]
    for ours, theirs in zip(*histories):
        assert ours["valid"] == theirs["valid"]
        assert ours["train"]["loss"] == theirs["train"]["loss"]


def test_history_and_best_checkpoint(experiment):
    lines = [json.loads(line) for line in (experiment / "history.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines] == [1, 2, 3]
    scores = [line["valid"]["mAP@10"] for line in lines]
    for line in lines:
        both = (line["valid"]["t2a_mAP@10"] + line["valid"]["a2t_mAP@10"]) / 2
        assert line["valid"]["mAP@10"] == pytest.approx(both)
        assert 0 < line["valid"]["t2a_mAP@10_deu_Latn"] <= 100
    best = int(os.readlink(experiment / BEST).removesuffix("epoch.pth"))
    assert scores[best - 1] == max(scores)


def test_the_experiment_does_not_need_the_asset(experiment):
    config = yaml.safe_load((experiment / "config.yaml").read_text())
    assert "model" not in config["text_encoder_conf"]
    assert (experiment / config["text_encoder_conf"]["tokenizer_model"]).is_file()


def test_the_configuration_says_which_languages_were_heard(
    experiment, run_training, training_options, tmp_path
):
    config = yaml.safe_load((experiment / "config.yaml").read_text())
    assert config["source_lang"] == "eng_Latn"
    assert config["train_langs"] == ["eng_Latn", "deu_Latn"]
    folder = run_training(training_options, tmp_path / "exp", 1, "--le_ratio", "0")
    config = yaml.safe_load((folder / "config.yaml").read_text())
    assert config["train_langs"] == ["eng_Latn"]


def test_a_part_may_stay_as_it_is(run_training, training_options, tmp_path):
    options = ["--freeze_param", "text_encoder", "audio_projection.0.bias"]
    folder = run_training(
        training_options, tmp_path / "exp", 2, *options, "--keep_nbest_models", "2"
    )
    first, second = (weights(folder / f"{epoch}epoch.pth") for epoch in (1, 2))
    changed = {key for key in first if not torch.equal(first[key], second[key])}
    assert not {key for key in changed if key.startswith("text_encoder.")}
    assert "audio_projection.0.bias" not in changed
    assert "audio_projection.0.weight" in changed


def test_word_vectors_that_stay_as_they_are_cost_the_optimiser_nothing(
    run_training, training_options, tmp_path
):
    folder = run_training(
        training_options, tmp_path / "exp", 1, "--freeze_param", "text_encoder.embedding"
    )
    name = "text_encoder.model.encoder_frontend.embed.weight"
    shape = weights(folder / "latest.pth")[name].shape
    states = weights(folder / "checkpoint.pth")["optimizers"][0]["state"].values()
    assert len(states) > 10
    assert shape not in {state["exp_avg"].shape for state in states}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            "freeze: [text_encoder]",
            "own.yaml: there is no option 'freeze'. Did you mean freeze_param?",
        ),
        (
            "freeze_param: [text_encodre]",
            "no part 'text_encodre'. Did you mean text_encoder? It has audio_encoder, text_encoder,",
        ),
        (
            "freeze_param: [text_encoder.model.encoder.layer]",
            "no part 'text_encoder.model.encoder.layer'. Did you mean "
            "text_encoder.model.encoder.layers? text_encoder.model.encoder has layers.",
        ),
        ("freeze_param: [text_encoder.tokenizer]", "no part 'text_encoder.tokenizer'"),
        ("freeze_param: [text_pooling]", "'text_pooling' (MeanPooling) has no weights"),
    ],
)
def test_what_cannot_stay_as_it_is(training_options, tmp_path, capsys, line, message):
    (tmp_path / "own.yaml").write_text(f"{line}\n")
    options = ["--config", str(tmp_path / "own.yaml"), "--output_dir", str(tmp_path / "exp")]
    with pytest.raises(SystemExit):
        train.main([*training_options, *options])
    assert message in capsys.readouterr().err


def test_a_sparse_embedding_is_trained_by_the_rows_and_resumes(
    run_training, training_options, tmp_path
):
    options = ["--sparse_embedding", "true", "--keep_nbest_models", "2"]
    whole = run_training(training_options, tmp_path / "whole", 2, *options)
    again = run_training(training_options, tmp_path / "again", 1, *options)
    run_training(training_options, again, 2, *options)
    assert_same_training(whole, again)
    name = "text_encoder.model.encoder_frontend.embed.weight"
    first, second = (weights(whole / f"{epoch}epoch.pth")[name] for epoch in (1, 2))
    changed = (first != second).any(dim=1)
    assert 0 < changed.sum() < len(changed) / 2
    dense, rows = weights(whole / "checkpoint.pth")["optimizers"]
    assert list(rows["state"]) == [0]
    assert ((rows["state"][0]["exp_avg"] != 0).any(dim=1) >= changed).all()
    assert rows["param_groups"][0]["lr"] == dense["param_groups"][0]["lr"]


def test_gradient_checkpointing_changes_nothing_but_memory(
    experiment, run_training, training_options, tmp_path
):
    options = ["--audio_encoder_conf", "gradient_checkpointing=true"]
    folder = run_training(training_options, tmp_path / "exp", 3, *options)
    config = yaml.safe_load((folder / "config.yaml").read_text())
    assert config["audio_encoder_conf"]["gradient_checkpointing"] is True
    first, second = (MLCLAP.from_pretrained(path) for path in (experiment, folder))
    captions = ["A dog barks twice"], ["eng_Latn"]
    expected = first.encode_text(*captions)
    np.testing.assert_allclose(second.encode_text(*captions), expected, atol=1e-4)


class Killed(BaseException):
    """What no handler catches."""


def train_and_be_killed(run_training, monkeypatch, kill_at, *arguments):
    """Train in this process until the n-th file is half written."""
    count, original = 0, torch.save

    def save(states, stream):
        nonlocal count
        count += 1
        if count == kill_at:
            stream.write(b"half a checkpoint")
            raise Killed
        original(states, stream)

    with monkeypatch.context() as patched:
        patched.setattr(torch, "save", save)
        with pytest.raises(Killed):
            run_training(*arguments)


@pytest.mark.parametrize("kill_at", [3, 4, 5])
def test_resuming_after_a_kill_gives_the_same(
    experiment, run_training, training_options, tmp_path, monkeypatch, kill_at
):
    """Killed while the n-th file is written: in or between the files of epoch 2."""
    folder = tmp_path / "exp"
    train_and_be_killed(run_training, monkeypatch, kill_at, training_options, folder)
    assert len((folder / "history.jsonl").read_text().splitlines()) in (1, 2)
    run_training(training_options, folder)
    assert_same_training(folder, experiment)


def test_resuming_goes_on_with_schedule_and_temperature(
    run_training, training_options, tmp_path, monkeypatch
):
    options = [
        *training_options,
        *("--scheduler", "warmupcosinelr", "--scheduler_conf", "warmup_steps=2"),
        *("--loss_conf", "learnable_temperature=true"),
    ]
    whole = run_training(options, tmp_path / "whole")
    train_and_be_killed(run_training, monkeypatch, 5, options, tmp_path / "killed")
    run_training(options, tmp_path / "killed")
    assert_same_training(tmp_path / "killed", whole)
    first, second = (
        torch.load(folder / "checkpoint.pth", weights_only=False)
        for folder in (whole, tmp_path / "killed")
    )
    assert first["schedulers"] == second["schedulers"]
    assert first["model"]["loss.temperature"] == second["model"]["loss.temperature"] != 0.07
    # with the weights, so that a training which starts from them goes on with it
    assert weights(whole / "latest.pth")["loss.temperature"] == first["model"]["loss.temperature"]
    start = str(whole / "latest.pth")
    options += ["--init_param", start, "--optim_conf", "lr=0"]
    again = run_training(options, tmp_path / "again", 1)
    assert weights(again / "latest.pth")["loss.temperature"] == weights(start)["loss.temperature"]
    fixed = [one for one in options if not one.startswith("learnable")]
    fixed.remove("--loss_conf")
    fixed = run_training(fixed, tmp_path / "fixed", 1)
    assert "loss.temperature" not in weights(fixed / "latest.pth")


def test_fused_adam_is_adam_and_goes_on_as_it_was_begun(run_training, training_options, tmp_path):
    plain = [*training_options, "--optim_conf", "fused=false"]
    whole = weights(run_training(plain, tmp_path / "plain", 2) / "latest.pth")
    fused = weights(run_training(training_options, tmp_path / "fused", 2) / "latest.pth")
    for name, value in whole.items():
        torch.testing.assert_close(fused[name], value, rtol=1e-3, atol=2e-4)
    assert any(not torch.equal(fused[name], value) for name, value in whole.items())
    # a checkpoint knows which of them it is from
    run_training(plain, tmp_path / "begun", 1)
    begun = weights(run_training(training_options, tmp_path / "begun", 2) / "latest.pth")
    assert all(torch.equal(begun[name], value) for name, value in whole.items())


def test_the_schedule_ends_with_the_training(run_training, training_options, tmp_path):
    """The cosine goes down over the steps that are made, of two batches each; leftovers make none."""
    options = ["--scheduler", "warmupcosinelr", "--scheduler_conf", "final_ratio=0.1"]
    options += ["--batch_size", "5", "--accum_grad", "2", "--le_ratio", "0"]
    folder = run_training(training_options, tmp_path / "exp", 3, *options)
    states = torch.load(folder / "checkpoint.pth", weights_only=False)
    assert states["schedulers"][0]["_last_lr"] == [pytest.approx(0.001 * 0.1)]
    steps = states["schedulers"][0]["last_epoch"]
    lines = [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]
    assert steps == 3  # 12 captions: batches of 5, 5 and 2 in each of 3 epochs
    for epoch, line in enumerate(lines):
        done = (epoch + 1) / steps
        expected = 0.001 * (0.1 + 0.9 * (1 + np.cos(np.pi * done)) / 2)
        assert line["train"]["optim0_lr0"] == pytest.approx(expected)


def test_early_stopping_holds_when_resumed(run_training, training_options, tmp_path):
    options = ["--patience", "0", "--optim_conf", "lr=0.0"]  # soon an epoch is not the best
    epochs = []
    for _ in range(2):
        folder = run_training(training_options, tmp_path / "exp", 9, *options)
        epochs.append(len((folder / "history.jsonl").read_text().splitlines()))
        assert os.readlink(folder / "latest.pth") == f"{epochs[-1]}epoch.pth"
    assert epochs[0] == epochs[1] < 9


def test_means_of_the_best_epochs(run_training, training_options, tmp_path):
    options = ["--keep_nbest_models", "1", "--keep_nbest_models", "2"]
    folder = run_training(training_options, tmp_path / "exp", 3, *options)
    lines = [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]
    best = sorted((1, 2, 3), key=lambda epoch: -lines[epoch - 1]["valid"]["mAP@10"])[:2]
    first, second = (weights(folder / f"{epoch}epoch.pth") for epoch in best)
    mean = weights(folder / "valid.mAP@10.ave_2best.pth")
    for key, value in mean.items():
        if value.is_floating_point():
            torch.testing.assert_close(value, (first[key] + second[key]) / 2)
    assert os.readlink(folder / "valid.mAP@10.ave.pth") == "valid.mAP@10.ave_2best.pth"
    assert not list(folder.glob(".average*"))


def test_links_that_a_kill_took_are_made_again(
    run_training, training_options, experiment, tmp_path
):
    folder = run_training(training_options, tmp_path / "exp")
    (folder / "latest.pth").unlink()
    (folder / BEST).unlink()
    (folder / "3epoch.pth").unlink()
    run_training(training_options, folder)
    assert_same_training(folder, experiment)


def test_embeddings_do_not_depend_on_neighbours(experiment, tones):
    model = MLCLAP.from_pretrained(experiment)
    paths = sorted((tones / "audio").glob("valid*.flac"))
    together = model.encode_audio(paths)
    alone = np.concatenate([model.encode_audio(path) for path in paths])
    np.testing.assert_allclose(together, alone, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1.0, atol=1e-6)
    captions, langs = ["A dog", "Ein Hund bellt laut"], ["eng_Latn", "deu_Latn"]
    together = model.encode_text(captions, langs)
    alone = np.concatenate([model.encode_text(c, lang) for c, lang in zip(captions, langs)])
    np.testing.assert_allclose(together, alone, atol=1e-5)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--best_model_criterion", "valid,map@10,max"], "valid,map@10,max is never reported"),
        (["--audio_encoder_conf", "widht=3"], "unknown key 'widht'.*Known keys: size, embed_dim"),
        (["--loss_conf", "temperature=-1"], "temperature must be above 0"),
        (["--text_encoder_conf", "model=sonar_maxi"], "no fairseq2 asset is called 'sonar_maxi'"),
        (["--le_langs", "fra_Latn"], "there is no translation in 'fra_Latn'; available: deu_Latn"),
        (["--train_data_weight", "1", "--train_data_weight", "2"], "2 weights for 1 training sets"),
        (["--train_data_dir", "nowhere"], "nowhere: no such data directory"),
        (["--iterator_type", "sequence"], "iterator_type must be task"),
        (
            ["--use_amp", "true"],
            "use_amp must be false, not True: model_conf: {amp_dtype: bfloat16}",
        ),
        (["--sharded_ddp", "true"], "sharded_ddp must be false"),
        (["--ngpu", "2"], "--ngpu 2 needs --multiprocessing_distributed true"),
        (["--best_model_criterion", "valid,t2a_mAP@10_fra_Latn,max"], "is never reported"),
    ],
)
def test_mistakes_are_named(run_training, training_options, tmp_path, more, message):
    with pytest.raises(UserError, match=message):
        run_training(training_options, tmp_path / "exp", 1, *more)


def test_weights_that_do_not_fit(experiment, tmp_path):
    states = weights(experiment / BEST)
    states["audio_projection.0.weight"] = torch.zeros(3, 3)
    states["surplus"] = states.pop("text_projection.0.bias")
    torch.save(states, tmp_path / "other.pth")
    message = "missing: text_projection.0.bias; 1 unknown: surplus; 1 of another shape: audio_projection.0"
    with pytest.raises(UserError, match=message):
        MLCLAP.from_pretrained(experiment, model_file=str(tmp_path / "other.pth"))


def test_a_file_with_code_in_it_is_refused(experiment, tmp_path):
    class Exploit:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "executed"),))

    torch.save({"weight": Exploit()}, tmp_path / "evil.pth")
    with pytest.raises(UserError, match="not a checkpoint of tensors alone"):
        MLCLAP.from_pretrained(experiment, model_file=str(tmp_path / "evil.pth"))
    assert not (tmp_path / "executed").exists()
