"""The Python interface, packing and embedding, on a small trained model."""

import subprocess
import sys

import numpy as np
import pytest
import soundfile
import torch

from espnet_mlclap.bin import embed, pack
from espnet_mlclap.bin.mlclap_inference import MLCLAP
from espnet_mlclap.fileio.audio import AudioError
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
        "from espnet_mlclap.bin.mlclap_inference import MLCLAP\n"
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
    with pytest.raises(UserError, match="no such experiment folder or packed model"):
        MLCLAP.from_pretrained(tmp_path / "nowhere")
    (tmp_path / "not.zip").write_bytes(b"PK nonsense")
    with pytest.raises(UserError, match="not a packed model"):
        MLCLAP.from_pretrained(tmp_path / "not.zip")
    with pytest.raises(UserError, match="no such checkpoint"):
        MLCLAP.from_pretrained(experiment, model_file="9epoch.pth")
