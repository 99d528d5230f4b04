"""Encoders side by side: their vectors are those that they have alone."""

import numpy as np
import pytest
import soundfile
import torch
import yaml
from torch.nn.functional import normalize

from espnet_mlclap.models.audio_encoder.ced import CEDAudioEncoder
from espnet_mlclap.models.audio_encoder.fusion import FusionAudioEncoder, join, split
from espnet_mlclap.models.padding import pad
from espnet_mlclap.utils.errors import UserError

CED = {"embed_dim": 24, "depth": 1, "num_heads": 2, "patch_dropout_time": 0.0}
SMALL = {"audio_encoder": "ced", "audio_encoder_conf": CED}
SMALLER = {"audio_encoder": "ced", "audio_encoder_conf": {**CED, "embed_dim": 16}}


def test_forms_come_apart_as_they_were():
    generator = np.random.default_rng(1)
    forms = [
        generator.standard_normal(shape).astype(np.float32)
        for shape in ((1, 512), (7,), (3, 64), ((1 << 20) + 5,))
    ]
    row = np.concatenate([join(forms), np.zeros(99, np.float32)])  # padding
    for found, form in zip(split(row, 4), forms):
        np.testing.assert_array_equal(found, form)


@pytest.fixture
def clips(tmp_path):
    generator = np.random.default_rng(2)
    for number, samples in enumerate((16000, 9000, 30000)):
        soundfile.write(tmp_path / f"{number}.wav", 0.1 * generator.standard_normal(samples), 16000)
    return [str(tmp_path / f"{number}.wav") for number in range(3)]


def test_vectors_and_gradients_are_those_of_the_parts(clips):
    fusion = FusionAudioEncoder(encoders=[SMALL, SMALLER]).eval()
    assert fusion.output_size() == 40
    rows, lengths = pad([fusion.reader(path) for path in clips], 0.0)
    found = fusion(rows, lengths).mean()
    alone = []
    for encoder in fusion.encoders:
        waves, samples = pad([encoder.reader(path) for path in clips], 0.0)
        alone.append(normalize(encoder(waves, samples).mean(), dim=-1))
    torch.testing.assert_close(found, torch.cat(alone, dim=1))
    torch.testing.assert_close(found.norm(dim=1), torch.full((3,), 2**0.5))
    found[:, 3].sum().backward()
    grads = [encoder.norm.weight.grad for encoder in fusion.encoders]
    assert grads[0] is not None
    assert grads[1] is None or not grads[1].any()


def test_one_trained_from_scratch_and_one_frozen(
    tones, training_options, run_training, tmp_path, monkeypatch
):
    from espnet_mlclap import MLCLAP

    (tmp_path / "loudness.py").write_text(
        "import numpy as np\n"
        "class Loudness:\n"
        "    version = '1'\n"
        "    def encode(self, waves):\n"
        "        return np.array([[np.abs(w).mean(), np.std(w), 0.1] for w in waves])\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    frozen = {"encoder": "loudness:Loudness", "store": str(tmp_path / "vectors")}
    config = {
        "audio_encoder": "fusion",
        "audio_encoder_conf": {
            "encoders": [SMALL, {"audio_encoder": "frozen", "audio_encoder_conf": frozen}]
        },
    }
    (tmp_path / "fusion.yaml").write_text(yaml.safe_dump(config))
    pairs = zip(training_options[::2], training_options[1::2])
    options = [x for pair in pairs if not pair[0].startswith("--audio_encoder") for x in pair]
    options += ["--config", str(tmp_path / "fusion.yaml")]
    experiment = run_training(options, tmp_path / "exp", 1)
    vectors = MLCLAP.from_pretrained(experiment).encode_audio(sorted((tones / "audio").glob("v*")))
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    with pytest.raises(UserError, match="max_seconds: a frozen encoder takes complete clips only"):
        run_training([*options, "--max_seconds", "0.5"], tmp_path / "exp2", 1)


@pytest.mark.parametrize(
    ("encoders", "message"),
    [
        ([SMALL], "encoders: give a list of two or more"),
        (["ced", "ced"], "number 1: must be a mapping"),
        ([SMALL, {"audio_encoder": "cde"}], "audio_encoder: there is no 'cde'"),
        (
            [SMALL, {"audio_encoders": "ced"}],
            "number 2: unknown key 'audio_encoders'.*Did you mean",
        ),
        ([SMALL, {"audio_encoder_conf": {}}], "number 2: the key 'audio_encoder' is missing"),
    ],
)
def test_mistakes(encoders, message):
    with pytest.raises(UserError, match=message):
        FusionAudioEncoder(encoders=encoders)


def test_of_the_parts_alone_it_is_a_sum_of_cosines(clips):
    """The cosine of two fused vectors is the mean of the parts' cosines."""
    encoder = FusionAudioEncoder(encoders=[SMALL, SMALLER]).eval()
    rows, lengths = pad([encoder.reader(path) for path in clips], 0.0)
    with torch.no_grad():
        fused = normalize(encoder(rows, lengths).mean(), dim=-1)
        first, second = encoder(rows, lengths).mean().split([24, 16], dim=1)
    expected = (first @ first.T + second @ second.T) / 2
    torch.testing.assert_close(fused @ fused.T, expected)


def test_a_clip_alone_and_in_a_batch(clips):
    encoder = FusionAudioEncoder(encoders=[SMALL, SMALL]).eval()
    rows, lengths = pad([encoder.reader(path) for path in clips], 0.0)
    with torch.no_grad():
        together = encoder(rows, lengths).mean()
        for number, path in enumerate(clips):
            row, length = pad([encoder.reader(path)], 0.0)
            torch.testing.assert_close(encoder(row, length).mean()[0], together[number])


def test_weights_have_names_of_their_own():
    names = FusionAudioEncoder(encoders=[SMALL, SMALLER]).state_dict()
    own = CEDAudioEncoder(**CED).state_dict()
    assert {name for name in names if name.startswith("encoders.0.")} == {
        f"encoders.0.{name}" for name in own
    }
