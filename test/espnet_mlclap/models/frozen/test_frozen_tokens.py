"""Frozen encoders with tokens: kept as they are, masked, their mean the vector; those without say so."""

import numpy as np
import pytest
import soundfile

from espnet_mlclap.models.frozen.audio import FrozenAudioEncoder
from espnet_mlclap.models.frozen.text import FrozenTextEncoder
from espnet_mlclap.models.padding import pad
from espnet_mlclap.utils.errors import UserError

CAPTIONS = [("A dog barks", "eng_Latn"), ("Rain", "eng_Latn")]


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_tokens_of_captions_are_kept(own_encoders, tmp_path, dtype):
    conf = {
        "encoder": "own_encoders:WordTokens",
        "store": str(tmp_path / "v"),
        "store_dtype": dtype,
    }
    encoder = FrozenTextEncoder(**conf, tokens=True)
    assert encoder.gives_tokens
    first = encoder.tokenizer.many(CAPTIONS)
    assert [one.shape for one in first] == [(3, 6), (1, 6)]
    again = FrozenTextEncoder(**conf, tokens=True)
    own_encoders.CALLS.clear()
    assert all(map(np.array_equal, again.tokenizer.many(CAPTIONS), first))
    assert own_encoders.CALLS == []
    found = encoder(*pad(first, 0.0))
    assert found.mask.tolist() == [[True] * 3, [True, False, False]]
    vectors = np.concatenate(FrozenTextEncoder(**conf).tokenizer.many(CAPTIONS))
    np.testing.assert_allclose(found.mean().numpy(), vectors, atol=1e-3)
    assert encoder.export(tmp_path)["tokens"] is True


def test_tokens_of_clips_follow_their_length(own_encoders, tmp_path):
    for name, samples in (("a", 3000), ("b", 5000)):
        noise = 0.1 * np.random.default_rng(1).standard_normal(samples)
        soundfile.write(tmp_path / f"{name}.wav", noise, 8000)
    paths = [str(tmp_path / f"{name}.wav") for name in ("a", "b")]
    encoder = FrozenAudioEncoder(
        encoder="own_encoders:Frames", sampling_rate=8000, tokens=True, store=str(tmp_path / "v")
    )
    assert encoder.output_size() == 6
    clips = encoder.reader.many(paths)
    assert [clip.shape for clip in clips] == [(3, 6), (5, 6)]
    assert encoder(*pad(clips, 0.0)).mask.sum(dim=1).tolist() == [3, 5]


def test_an_encoder_without_tokens_says_so(own_encoders, tmp_path):
    with pytest.raises(UserError, match="Words has no encode_tokens.*one_token: true"):
        FrozenTextEncoder(encoder="own_encoders:Words", tokens=True)
    assert not FrozenTextEncoder(encoder="own_encoders:Words").gives_tokens


def test_tokens_of_another_form_are_refused(own_encoders, monkeypatch):
    for wrong in ([np.zeros((0, 6))], [np.zeros(6)], [], [np.full((2, 6), np.nan)]):
        monkeypatch.setattr(own_encoders.WordTokens, "encode_tokens", lambda *_: wrong)  # noqa: B023
        with pytest.raises(UserError, match="must give one array"):
            FrozenTextEncoder(encoder="own_encoders:WordTokens", tokens=True)
