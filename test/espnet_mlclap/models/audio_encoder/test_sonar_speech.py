"""SONAR's speech encoder: the same as sonar-space by hand, one clip at a time, odd lengths, mistakes."""

import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from fairseq2.data.audio import WaveformToFbankConverter
from fairseq2.nn import BatchLayout

from espnet_mlclap.models.audio_encoder.sonar_speech import SonarSpeechEncoder
from espnet_mlclap.utils.errors import UserError

SMALL = {
    "model_dim": 32,
    "num_layers": 2,
    "num_heads": 4,
    "ffn_inner_dim": 48,
    "num_pooling_layers": 1,
}


@pytest.fixture(scope="module")
def encoder():
    torch.manual_seed(0)
    return SonarSpeechEncoder(**SMALL).eval()


def clips(*lengths):
    generator = np.random.default_rng(1)
    audio = torch.zeros(len(lengths), max(lengths))
    for row, length in zip(audio, lengths):
        row[:length] = torch.from_numpy(0.1 * generator.standard_normal(length)).float()
    return audio, torch.tensor(lengths)


def embed(encoder, audio, lengths):
    with torch.no_grad():
        return encoder(audio, lengths).mean()


def test_equals_sonar_space_by_hand(encoder):
    audio, lengths = clips(16000)
    convert = WaveformToFbankConverter(
        num_mel_bins=80, waveform_scale=2**15, channel_last=True, standardize=True
    )
    seqs = convert({"waveform": audio[0][:, None], "sample_rate": 16000.0})["fbank"][None]
    with torch.no_grad():
        expected = encoder.model(seqs, BatchLayout.of(seqs)).sentence_embeddings
    torch.testing.assert_close(embed(encoder, audio, lengths), expected)
    assert expected.shape == (1, encoder.output_size())


def test_a_clip_does_not_depend_on_its_neighbours(encoder):
    lengths = (16000, 9123, 4321)  # odd numbers of frames among them
    audio, sizes = clips(*lengths)
    together = embed(encoder, audio, sizes)
    alone = torch.cat(
        [embed(encoder, audio[i : i + 1, :n], sizes[i : i + 1]) for i, n in enumerate(lengths)]
    )
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-5)


def test_short_and_silent_clips_have_finite_embeddings(encoder):
    audio, lengths = clips(16000, 100)
    audio = torch.cat([audio, torch.zeros(1, 16000)])
    lengths = torch.cat([lengths, torch.tensor([16000])])
    assert torch.isfinite(embed(encoder, audio, lengths)).all()


def test_only_the_start_of_a_very_long_clip_counts(encoder):
    reach = encoder._max_samples
    assert 81 < reach / 16000 < 83
    audio, lengths = clips(reach + 16000)
    features = encoder.features(audio, lengths)[0]
    assert len(features) == 2 * 4096
    torch.testing.assert_close(
        features, encoder.features(audio[:, :reach], torch.tensor([reach]))[0]
    )


CARD = """
name: small_speech
model_family: sonar_speech
model_arch: english
model_config:
  _set_: {{model_dim: 32, ffn_inner_dim: 48, num_decoder_layers: 1, num_decoder_attn_heads: 4}}
  w2v2_encoder_config:
    _set_: {{model_dim: 32, num_encoder_layers: 2, num_encoder_attn_heads: 4, ffn_inner_dim: 48}}
checkpoint: {checkpoint}
tokenizer_config: {{_set_: {{langs: [eng]}}}}
"""
LOAD = """
import sys, torch
from espnet_mlclap.models.audio_encoder.sonar_speech import SonarSpeechEncoder
encoder = SonarSpeechEncoder(**eval(sys.argv[1]), checkpoint="small_speech")
expected = torch.load(sys.argv[2], weights_only=True)
own = encoder.model.state_dict()
assert own.keys() == expected.keys() and all(torch.equal(own[k], expected[k]) for k in own)
"""


def test_weights_by_asset_name(encoder, tmp_path):
    """In a process of its own: fairseq2 looks for cards once."""
    torch.save(encoder.model.state_dict(), tmp_path / "small.pt")
    (tmp_path / "card.yaml").write_text(CARD.format(checkpoint=tmp_path / "small.pt"))
    result = subprocess.run(
        [sys.executable, "-c", LOAD, repr(SMALL), str(tmp_path / "small.pt")],
        env={**os.environ, "FAIRSEQ2_USER_ASSET_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr


def test_longer_steps():
    """Fewer and wider steps: a clip still counts alone, and one that is shorter than a step too."""
    encoder = SonarSpeechEncoder(**SMALL, frames_per_step=8).eval()
    audio, lengths = clips(16000, 9123, 400)
    assert [len(clip) for clip in encoder.features(audio, lengths)] == [96, 48, 8]
    together = embed(encoder, audio, lengths)
    torch.testing.assert_close(
        together[1:2], embed(encoder, audio[1:2, :9123], lengths[1:2]), rtol=0, atol=1e-5
    )


def test_gradients_reach_every_parameter():
    encoder = SonarSpeechEncoder(**SMALL, dropout=0.0).train()
    encoder(*clips(8000, 6000)).mean().square().sum().backward()
    without = [name for name, p in encoder.named_parameters() if p.grad is None]
    assert without == []


def test_the_published_architectures_build_without_weights():
    with torch.device("meta"):
        encoder = SonarSpeechEncoder()
    count = sum(parameter.numel() for parameter in encoder.parameters())
    assert encoder.output_size() == 1024
    assert 0.6e9 < count < 0.8e9


@pytest.mark.parametrize(
    ("conf", "message"),
    [
        ({"architecture": "german"}, "there is no 'german'; choose one of english, non_english"),
        ({"model_dim": 30, "num_heads": 4}, "audio_encoder_conf of sonar_speech: .*num_heads"),
        ({**SMALL, "checkpoint": "sonar_speech_maxi"}, "no fairseq2 asset is called"),
        ({**SMALL, "checkpoint": "sonar_mini_encoder"}, "is not a SONAR speech model"),
        ({**SMALL, "checkpoint": "sonar_speech_encoder_fra"}, "not in the table of weights"),
    ],
)
def test_mistakes_are_named(conf, message):
    with pytest.raises(UserError, match=message):
        SonarSpeechEncoder(**conf)


def test_features_in_place_of_samples_are_refused(encoder):
    with pytest.raises(UserError, match="--audio_format flac"):
        encoder(torch.zeros(1, 10, 64), torch.tensor([10]))
