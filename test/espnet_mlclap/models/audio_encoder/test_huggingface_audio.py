"""Audio models of transformers, tiny and random: equal to what transformers computes, padded or not."""

import shutil

import numpy as np
import pytest
import soundfile
import torch
import yaml

from espnet_mlclap.fileio.audio import Waveform
from espnet_mlclap.models.audio_encoder.huggingface import HuggingfaceAudioEncoder
from espnet_mlclap.models.audio_encoder.huggingface_families import windows
from espnet_mlclap.models.padding import pad
from espnet_mlclap.models.registry import build_model
from espnet_mlclap.utils.config import BEST_MODEL
from espnet_mlclap.utils.errors import UserError

transformers = pytest.importorskip("transformers")


def tiny_clap(folder, fusion=False):
    """A random CLAP of width 16 for windows of a second, with its feature extractor."""
    audio = {
        "patch_embeds_hidden_size": 8, "depths": [1, 1], "num_attention_heads": [2, 2], "hidden_size": 16,
        "spec_size": 32, "num_mel_bins": 16, "window_size": 4, "num_hidden_layers": 2,
        "enable_fusion": fusion, "patch_size": 4, "patch_stride": [4, 4], "projection_dim": 12,
    }  # fmt: skip
    text = {
        "vocab_size": 30, "hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 3,
        "intermediate_size": 32, "max_position_embeddings": 20, "projection_dim": 12,
    }  # fmt: skip
    torch.manual_seed(0)
    config = transformers.ClapConfig(audio_config=audio, text_config=text, projection_dim=12)
    model = transformers.ClapModel(config).eval()
    for norm in (m for m in model.modules() if isinstance(m, torch.nn.BatchNorm2d)):
        norm.running_mean.normal_(-20.0, 5.0)
        norm.running_var.uniform_(50.0, 200.0)
    extractor = transformers.ClapFeatureExtractor(
        feature_size=16, sampling_rate=8000, hop_length=160, max_length_s=1, fft_window_size=256,
        frequency_max=4000, truncation="fusion" if fusion else "rand_trunc",
    )  # fmt: skip
    model.save_pretrained(folder)
    extractor.save_pretrained(folder)
    return model, extractor


def tiny_ast(folder):
    torch.manual_seed(0)
    config = transformers.ASTConfig(
        hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=24,
        max_length=64, num_mel_bins=32, patch_size=8, time_stride=8, frequency_stride=8,
    )  # fmt: skip
    model = transformers.ASTModel(config).eval()
    extractor = transformers.ASTFeatureExtractor(max_length=64, num_mel_bins=32)
    model.save_pretrained(folder)
    extractor.save_pretrained(folder)
    return model, extractor


def noise(samples, seed=1):
    return 0.1 * np.random.default_rng(seed).standard_normal(samples).astype(np.float32)


def encoded(encoder, clips, rate):
    batch = pad([encoder.reader.of_waveform(Waveform(clip[:, None], rate)) for clip in clips], 0.0)
    with torch.no_grad():
        return encoder.eval()(*batch)


@pytest.mark.parametrize("fusion", [False, True])
def test_clap_gives_what_transformers_gives(tmp_path, fusion):
    model, extractor = tiny_clap(tmp_path, fusion)
    encoder = HuggingfaceAudioEncoder(model=str(tmp_path))
    clips = [noise(8000, 1), noise(3000, 2), noise(5111, 3)]
    features = extractor(clips, sampling_rate=8000, return_tensors="pt")
    features["is_longer"] = torch.zeros(
        3, 1, dtype=torch.bool
    )  # else one is taken for it at random
    with torch.no_grad():
        expected = model.get_audio_features(**features)
        mean = encoded(encoder, clips, 8000).mean()
        found = torch.nn.functional.normalize(model.audio_projection(mean), dim=-1)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)
    assert encoder.output_size() == 16


def test_ast_gives_what_transformers_gives(tmp_path):
    model, extractor = tiny_ast(tmp_path)
    encoder = HuggingfaceAudioEncoder(model=str(tmp_path))
    clips = [noise(10240, 1), noise(3000, 2), noise(100, 3)]
    padded = [np.pad(clip, (0, max(0, 400 - len(clip)))) for clip in clips]
    features = [extractor(clip, sampling_rate=16000, return_tensors="pt") for clip in padded]
    with torch.no_grad():
        expected = torch.cat([model(**one).last_hidden_state for one in features])
    found = encoded(encoder, clips, 16000)
    torch.testing.assert_close(found.values, expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("make", [tiny_clap, tiny_ast])
def test_longer_clips_are_heard_in_windows_and_alone_as_in_a_batch(tmp_path, make):
    make(tmp_path)
    encoder = HuggingfaceAudioEncoder(model=str(tmp_path))
    rate = encoder._family.rate
    clips = [noise(round(2.3 * encoder._family.window), 1), noise(2000, 2)]
    together = encoded(encoder, clips, rate)
    assert together.segment.max() == 2  # three windows
    for row, clip in enumerate(clips):
        alone = encoded(encoder, [clip], rate)
        torch.testing.assert_close(together.real(row), alone.real(0), atol=1e-5, rtol=1e-4)
    parts = windows(clips[0], encoder._family.window)
    assert np.array_equal(parts[0], clips[0][: encoder._family.window])
    assert np.array_equal(parts[-1], clips[0][-encoder._family.window :])
    middle = encoded(encoder, [parts[1]], rate)
    count = middle.values.shape[1]
    torch.testing.assert_close(
        together.values[0, count : 2 * count], middle.values[0], atol=1e-5, rtol=1e-4
    )


@pytest.mark.parametrize("make", [tiny_clap, tiny_ast])
def test_an_experiment_needs_neither_the_folder_nor_the_weights_it_started_from(tmp_path, make):
    make(tmp_path / "model")
    encoder = HuggingfaceAudioEncoder(model=str(tmp_path / "model"))
    conf = encoder.export(tmp_path / "exp")
    assert conf == {"model": "audio_encoder", "init": "scratch"}
    (tmp_path / "model").rename(tmp_path / "gone")
    conf["model"] = str(tmp_path / "exp" / conf["model"])
    with torch.device("meta"):
        laid_out = HuggingfaceAudioEncoder(**conf)
    again = HuggingfaceAudioEncoder(**conf)
    again.load_state_dict(encoder.state_dict())
    clip = noise(4000)
    rate = encoder._family.rate
    assert torch.equal(encoded(again, [clip], rate).values, encoded(encoder, [clip], rate).values)
    waveform = Waveform(clip[:, None], rate)
    assert np.array_equal(laid_out.reader.of_waveform(waveform), again.reader.of_waveform(waveform))


def test_files_are_heard_at_the_rate_of_the_model(tmp_path):
    tiny_clap(tmp_path)
    encoder = HuggingfaceAudioEncoder(model=str(tmp_path))
    soundfile.write(tmp_path / "x.wav", noise(8000), 8000, subtype="FLOAT")
    expected = encoder.reader.of_waveform(Waveform(noise(8000)[:, None], 8000))
    np.testing.assert_allclose(encoder.reader(str(tmp_path / "x.wav")), expected, atol=1e-3)


def test_what_is_wrong_is_said(tmp_path):
    with pytest.raises(UserError, match="cannot be loaded.*download: true"):
        HuggingfaceAudioEncoder(model=str(tmp_path / "nowhere"))
    transformers.BertConfig(hidden_size=12).save_pretrained(tmp_path)
    with pytest.raises(UserError, match="model_type bert is none of clap"):
        HuggingfaceAudioEncoder(model=str(tmp_path))
    with pytest.raises(UserError, match="init must be"):
        HuggingfaceAudioEncoder(model=str(tmp_path), init="x")
    model, _ = tiny_clap(tmp_path / "clap")
    states = {
        key: value for key, value in model.state_dict().items() if "audio_encoder.norm" not in key
    }
    model.save_pretrained(tmp_path / "clap", state_dict=states)
    with pytest.raises(UserError, match="no weights for audio_model.audio_encoder.norm"):
        HuggingfaceAudioEncoder(model=str(tmp_path / "clap"))


def test_two_in_a_fusion_are_exported_each(tmp_path):
    """Both write `config.json`; after packing, too, each finds its own."""
    from espnet_mlclap import MLCLAP
    from espnet_mlclap.bin import pack

    parts = []
    for make in (tiny_clap, tiny_ast):
        make(tmp_path / make.__name__)
        conf = {"model": str(tmp_path / make.__name__)}
        parts.append({"audio_encoder": "huggingface", "audio_encoder_conf": conf})
    config = {
        "audio_encoder": "fusion",
        "audio_encoder_conf": {"encoders": parts},
        "text_encoder": "sonar",
        "text_encoder_conf": {"model": "sonar_mini_encoder"},
        "model_conf": {"embed_size": 16},
    }
    model = build_model(config).eval()
    folder = tmp_path / "exp"
    config["text_encoder_conf"] = model.text_encoder.export(folder)
    config["audio_encoder_conf"] = model.audio_encoder.export(folder)
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    torch.save(model.state_dict(), folder / BEST_MODEL)
    pack.main(["--experiment_dir", str(folder), "--out", str(tmp_path / "packed.zip")])
    for make in (tiny_clap, tiny_ast):
        shutil.rmtree(tmp_path / make.__name__)  # the experiment needs them no more
    found, packed = (MLCLAP.from_pretrained(f) for f in (folder, tmp_path / "packed.zip"))
    clip = noise(8000)
    assert np.array_equal(
        found.encode_audio(clip, sampling_rate=8000), packed.encode_audio(clip, sampling_rate=8000)
    )
    kinds = [type(encoder.model).__name__ for encoder in found.model.audio_encoder.encoders]
    assert kinds == ["ClapAudioModel", "ASTModel"]
