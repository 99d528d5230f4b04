"""The Python interface, packing and embedding, on a small trained model."""

import shutil
import subprocess
import sys
import warnings

import numpy as np
import pytest
import soundfile
import torch
import yaml

from espnet_mlclap.bin import embed, pack
from espnet_mlclap.fileio.audio import AudioError
from espnet_mlclap.inference import MLCLAP
from espnet_mlclap.utils.errors import UserError


@pytest.fixture(scope="module")
def model(experiment):
    return MLCLAP.from_pretrained(experiment)


@pytest.fixture(scope="module")
def tone():
    return (0.4 * np.sin(2 * np.pi * 440 * np.arange(20000) / 16000)).astype(np.float32)


def test_paths_arrays_and_tensors_agree(model, tone, tmp_path):
    path = tmp_path / "ein Ton – 音.wav"
    soundfile.write(path, tone, 16000, subtype="FLOAT")
    stereo = np.stack([tone, tone], axis=1)
    expected = model.encode_audio(path)
    assert expected.shape == (1, model.embed_size)
    for same in (
        model.encode_audio([path, str(path)])[1:],
        model.encode_audio(tone, sampling_rate=16000),
        model.encode_audio(stereo, sampling_rate=16000),
        model.encode_audio(torch.from_numpy(stereo.T), sampling_rate=16000),
    ):
        np.testing.assert_allclose(same, expected, atol=1e-5)


class AudioDecoder:
    """What Hugging Face datasets 4 give for a clip: it answers to two names, and is no dictionary."""

    def __init__(self, samples):
        self._samples = samples

    def __getitem__(self, key):
        return {"array": self._samples, "sampling_rate": 16000}[key]


def test_what_hugging_face_datasets_give(model, tone, tmp_path):
    soundfile.write(tmp_path / "x.flac", tone, 16000)
    samples, _ = soundfile.read(tmp_path / "x.flac", dtype="float32")
    expected = model.encode_audio(samples, sampling_rate=16000)
    content = (tmp_path / "x.flac").read_bytes()
    for clip in (
        AudioDecoder(samples),
        {"bytes": content, "path": "elsewhere/x.flac"},
        {"bytes": content, "path": None},
        {"bytes": None, "path": str(tmp_path / "x.flac")},
        {"path": None, "array": samples, "sampling_rate": 16000},
    ):
        np.testing.assert_array_equal(model.encode_audio(clip), expected)
        np.testing.assert_array_equal(model.encode_audio([clip]), expected)
    for clip in ({"path": None, "bytes": None}, {"sampling_rate": 16000}, object(), [[0.1]]):
        with pytest.raises(UserError, match="is not a clip"):
            model.encode_audio([clip])
    with pytest.raises(AudioError, match="not audio"):
        model.encode_audio({"bytes": b"no sound" * 9, "path": "x.flac"})


def test_a_long_clip_is_not_padded_to(model, tone, monkeypatch):
    shapes = []
    encode = model.model.encode_audio

    def noted(audio, lengths):
        shapes.append(tuple(audio.shape))
        return encode(audio, lengths)

    monkeypatch.setattr(model.model, "encode_audio", noted)
    monkeypatch.setattr("espnet_mlclap.models.padding.MOST_PADDED", 60000)
    clips = [tone, np.tile(tone, 8), tone[:9000], tone]
    rows = model.encode_audio(clips, sampling_rate=16000)
    assert shapes == [(1, 160000), (3, 20000)]
    for row, clip in zip(rows, clips):
        alone = model.encode_audio(clip, sampling_rate=16000)[0]
        np.testing.assert_allclose(row, alone, atol=1e-5)


def test_captions_that_are_too_long_or_no_text(model):
    with pytest.warns(
        UserWarning, match=r"1 captions are longer than the \d+ tokens.*'a dog barks"
    ):
        long = model.encode_text(["a dog barks " * 3000, "rain"])
    assert long.shape == (2, model.embed_size)
    for text in ("dog \ud83d", "caf\udce9"):
        with pytest.raises(UserError, match="caption 1 .* cut in half"):
            model.encode_text(["rain", text])


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", ">i2", "int32"])
def test_integers_are_scaled_by_the_range_of_their_type(model, tone, dtype):
    least, most = np.iinfo(dtype).min, np.iinfo(dtype).max
    middle = (least + most + 1) // 2
    integers = np.round(tone * ((most - least) / 2) + middle).astype(dtype)
    floats = (integers.astype(np.float64) - middle) / (middle - least)
    expected = model.encode_audio(floats, sampling_rate=16000)
    clips = [integers, torch.from_numpy(integers.astype(np.dtype(dtype).newbyteorder("=")))]
    for embedded in model.encode_audio(clips, sampling_rate=16000):
        np.testing.assert_allclose(embedded[None], expected, atol=1e-5)


def test_clips_of_hugging_face_and_of_half_precision(model, tone):
    expected = model.encode_audio(tone, sampling_rate=8000)
    clip = {"path": "tone.wav", "array": tone, "sampling_rate": 8000}
    half = torch.from_numpy(tone).to(torch.bfloat16)
    for same in (
        model.encode_audio(clip),
        model.encode_audio([{"array": torch.from_numpy(tone)}, clip], sampling_rate=8000)[:1],
    ):
        np.testing.assert_allclose(same, expected, atol=1e-5)
    similarity = model.similarity(model.encode_audio(half, sampling_rate=8000), expected)
    assert similarity[0, 0] > 0.99


@pytest.mark.parametrize(
    ("audio", "message"),
    [
        (
            np.zeros((2, 800)),
            r"array of shape \[2, 800\]: .* array.T, for several clips list\(array",
        ),
        (np.zeros((3, 800)), r"array of shape \[3, 800\]"),
        (np.zeros((800, 33)), r"array of shape \[800, 33\]: .* many channels their mean"),
        (torch.zeros(800, 2), r"tensor of shape \[800, 2\]: .* tensor.T"),
        (torch.zeros(3, 800), r"tensor of shape \[3, 800\]: .* for several clips list\(tensor\)"),
        (torch.zeros(1, 1, 800), r"tensor of shape \[1, 1, 800\]"),
        (np.float32(0.5), "float32 is not a clip"),
        (np.array(0.5), r"array of shape \[\]"),
        ([0.1, 0.2], "float is not a clip. Give a path, a numpy array or a tensor, or a list"),
        ([[0.1, 0.2]], "list is not a clip"),
        ({"bytes": b"RIFF"}, "dict is not a clip"),
        (None, "NoneType is not a clip"),
        (7, "int is not a clip"),
        (np.zeros(800, dtype=np.int64), "samples of type int64. Give floats in"),
        (torch.zeros(800, dtype=torch.bool), "samples of type bool"),
        (np.array(["a.wav", "b.wav"]), "samples of type <U5"),
    ],
    ids=repr,
)
def test_what_is_no_clip_is_an_error_that_says_what_to_do(model, audio, message):
    with pytest.raises(UserError, match=f"encode_audio: {message}"):
        model.encode_audio(audio, sampling_rate=16000)


@pytest.mark.parametrize(
    ("suffix", "rate"), [("flac", 8000), ("ogg", 44100), ("mp3", 48000), ("wav", 22050)]
)
def test_any_format_and_rate(model, suffix, rate, tmp_path):
    time = np.arange(2 * rate) / rate
    signal = 0.4 * np.sin(2 * np.pi * 440 * time)
    soundfile.write(tmp_path / f"tone.{suffix}", np.stack([signal, signal], 1), rate)
    reference = 0.4 * np.sin(2 * np.pi * 440 * np.arange(32000) / 16000)
    similarity = MLCLAP.similarity(
        model.encode_audio(tmp_path / f"tone.{suffix}"),
        model.encode_audio(reference, sampling_rate=16000),
    )
    assert similarity[0, 0] > 0.9


def test_similarity_is_the_cosine(model, tone):
    audio = model.encode_audio([tone, tone[:8000]], sampling_rate=16000)
    text = model.encode_text(
        ["A dog barks", "Ein Hund", "犬"], ["eng_Latn", "deu_Latn", "jpn_Jpan"]
    )
    similarity = model.similarity(audio, text)
    assert similarity.shape == (2, 3)
    for row in range(2):
        for column in range(3):
            norms = np.linalg.norm(audio[row]) * np.linalg.norm(text[column])
            assert similarity[row, column] == pytest.approx(
                audio[row] @ text[column] / norms, abs=1e-5
            )


def test_batches_do_not_matter(model):
    captions = [f"A dog barks {'twice ' * count}" for count in range(7)]
    np.testing.assert_allclose(
        model.encode_text(captions, batch_size=2), model.encode_text(captions), atol=1e-5
    )


def test_a_packed_model_works_alone(experiment, model, tone, tmp_path):
    pack.main(["--experiment_dir", str(experiment), "--out", str(tmp_path / "model.zip")])
    script = (
        "import sys, numpy as np\n"
        "from espnet_mlclap.inference import MLCLAP\n"
        "model = MLCLAP.from_pretrained(sys.argv[1])\n"
        "audio = model.encode_audio(np.load(sys.argv[2]), sampling_rate=16000)\n"
        "np.savez(sys.argv[3], audio=audio, text=model.encode_text('Ein Hund', 'deu_Latn'))\n"
    )
    np.save(tmp_path / "tone.npy", tone)
    away = tmp_path / "another machine"
    away.mkdir()
    (tmp_path / "model.zip").rename(away / "model.zip")
    command = [sys.executable, "-c", script, "model.zip", str(tmp_path / "tone.npy"), "out.npz"]
    done = subprocess.run(command, cwd=away, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    there = np.load(away / "out.npz")
    np.testing.assert_allclose(
        there["audio"], model.encode_audio(tone, sampling_rate=16000), atol=1e-5
    )
    np.testing.assert_allclose(there["text"], model.encode_text("Ein Hund", "deu_Latn"), atol=1e-5)


def test_a_language_without_training_is_warned_of_once(experiment, tmp_path):
    folder = tmp_path / "exp"
    shutil.copytree(experiment, folder)
    config = yaml.safe_load((folder / "config.yaml").read_text())
    config["train_langs"] = ["eng_Latn", "fra_Latn"]
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    model = MLCLAP.from_pretrained(folder)
    assert model.trained_languages == ["eng_Latn", "fra_Latn"]
    with pytest.warns(UserWarning, match="in deu_Latn, only in eng_Latn, fra_Latn") as seen:
        model.encode_text(["Ein Hund", "a dog"], ["deu_Latn", "eng_Latn"])
    assert [one.filename for one in seen] == [__file__]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.encode_text(["Eine Katze", "un chien"], ["deu_Latn", "fra_Latn"])


def test_embeddings_of_a_set(experiment, model, tones, tmp_path):
    out = tmp_path / "inference" / "valid"
    embed.main(
        ["--model_dir", str(experiment), "--data_dir", str(tones / "valid"), "--out_dir", str(out)]
    )
    clips = (out / "clip_ids").read_text().split()
    captions = [line.split() for line in (out / "caption_ids").read_text().splitlines()]
    audio, text = np.load(out / "audio_embeddings.npy"), np.load(out / "text_embeddings.npy")
    assert audio.shape == (len(clips), model.embed_size)
    assert text.shape == (len(captions), model.embed_size)
    assert len(clips) == 6
    assert {lang for _, _, lang in captions} == {"eng_Latn", "deu_Latn"}
    alone = model.encode_audio(tones / "audio" / f"{clips[2]}.flac")
    np.testing.assert_allclose(audio[2:3], alone, atol=1e-5)


def test_embedding_needs_a_batch_size(experiment, tones, tmp_path, capsys):
    options = ["--model_dir", str(experiment), "--data_dir", str(tones / "valid")]
    with pytest.raises(SystemExit):
        embed.main([*options, "--out_dir", str(tmp_path / "out"), "--batch_size", "0"])
    assert "--batch_size 0: must be 1 or more" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_bad_input(model, experiment, tone, tmp_path):
    with pytest.raises(UserError, match="need their sampling_rate"):
        model.encode_audio(tone)
    with pytest.raises(AudioError, match="nothing.wav: no such file"):
        model.encode_audio("nothing.wav")
    with pytest.raises(AudioError, match="NaN or infinite"):
        model.encode_audio(np.array([0.0, np.nan]), sampling_rate=16000)
    with pytest.raises(AudioError, match="no samples"):
        model.encode_audio(np.zeros(0), sampling_rate=16000)
    with pytest.raises(UserError, match="1 languages for 2 captions"):
        model.encode_text(["a", "b"], ["eng_Latn"])
    with pytest.raises(UserError, match="code 'fr'; FLORES-200 .* Did you mean fra_Latn?"):
        model.encode_text(["un chien", "a dog"], ["fr", "eng_Latn"])
    with pytest.raises(UserError, match="batch_size 0: must be 1 or more"):
        model.encode_text("a", batch_size=0)
    with pytest.raises(UserError, match="batch_size -1: must be 1 or more"):
        model.encode_audio(tone, sampling_rate=16000, batch_size=-1)
    with pytest.raises(UserError, match="no such experiment folder or packed model"):
        MLCLAP.from_pretrained(tmp_path / "nowhere")
    (tmp_path / "not.zip").write_bytes(b"PK nonsense")
    with pytest.raises(UserError, match="not a packed model"):
        MLCLAP.from_pretrained(tmp_path / "not.zip")
    with pytest.raises(UserError, match="no such checkpoint"):
        MLCLAP.from_pretrained(experiment, model_file="9epoch.pth")
