"""A frozen text encoder encodes each caption once: the same training, without its cost."""

import json
import sqlite3
from pathlib import Path

import pytest

from espnet_mlclap.inference import MLCLAP
from espnet_mlclap.utils.errors import UserError

SMALL_BERT = Path(__file__).resolve().parents[3] / "egs2/mini/mlclap1/conf/small_bert"
FROZEN = ["--model_conf", "freeze_text_encoder=true"]


def losses(folder):
    lines = (folder / "history.jsonl").read_text().splitlines()
    return [json.loads(line)["train"]["loss"] for line in lines]


@pytest.mark.parametrize(
    "more",
    [
        [],
        ["--objective_conf", "gradient_cache_chunk=2", "--text_normalization", "mlclap"],
    ],
    ids=["plain", "gradient_cache"],
)
def test_it_is_the_same_training(run_training, training_options, tmp_path, more):
    store = tmp_path / "store"
    plain = run_training(training_options, tmp_path / "plain", 2, *FROZEN, *more)
    options = [*FROZEN, *more, "--token_store", str(store)]
    kept = run_training(training_options, tmp_path / "kept", 1, *options)
    run_training(training_options, kept, 2, *options)  # goes on with what is there
    assert losses(kept) == pytest.approx(losses(plain), abs=2e-5)
    (database,) = store.glob("*.sqlite")
    vectors = sqlite3.connect(database).execute("SELECT length(value) FROM vectors").fetchall()
    width = MLCLAP.from_pretrained(kept).model.text_encoder.output_size()
    # six English captions, the one German caption, whatever clips they are of
    assert vectors == [(4 * width,)] * 7


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--freeze_param", "text_encoder"], "set model_conf: {freeze_text_encoder: true}"),
        ([*FROZEN, "--text_pooling", "first_dense"], "Add freeze_param: .text_pooling."),
    ],
)
def test_what_changes_is_not_kept(run_training, training_options, tmp_path, options, message):
    options = [*options, "--token_store", str(tmp_path)]
    with pytest.raises(UserError, match=message):
        run_training(training_options, tmp_path / "exp", 1, *options)


def test_other_settings_do_not_take_what_is_kept(run_training, training_options, tmp_path):
    """The same weights, but captions cut after other numbers of tokens, and another arithmetic."""
    text = training_options.index("--text_encoder_conf")
    options = [*training_options[:text], *training_options[text + 2 :], *FROZEN]
    options += ["--text_encoder", "huggingface", "--token_store", str(tmp_path / "store")]
    bert = [f"model={SMALL_BERT}", "init=scratch"]
    kept = []
    for number, (tokens, dtype) in enumerate(
        [(4, "null"), (5, "null"), (5, "null"), (5, "bfloat16")]
    ):
        more = ["--model_conf", f"amp_dtype={dtype}"]
        for setting in (*bert, f"max_tokens={tokens}"):
            more += ["--text_encoder_conf", setting]
        run_training([*options, *more], tmp_path / str(number), 1)
        kept.append(len(list((tmp_path / "store").glob("*.sqlite"))))
    assert kept == [1, 2, 2, 3]
