"""A CLAP checkpoint becomes an experiment that embeds as `ClapModel` does."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from espnet_mlclap.bin import import_checkpoint, pack
from espnet_mlclap.checkpoints.clap import is_clap, to_our_names
from espnet_mlclap.inference import MLCLAP
from espnet_mlclap.models.released_clap import import_clap
from espnet_mlclap.utils.errors import UserError

transformers = pytest.importorskip("transformers")
sys.path.insert(0, str(Path(__file__).parent / "audio_encoder"))
from test_huggingface_audio import noise, tiny_clap  # noqa: E402

WORDS = "<s> <pad> </s> <unk> <mask> a dog barks it rains Ġa Ġdog Ġbarks Ġrains".split()


@pytest.fixture(scope="module")
def clap(tmp_path_factory):
    """Folder, model, feature extractor and tokenizer."""
    folder = tmp_path_factory.mktemp("clap")
    model, extractor = tiny_clap(folder)
    letters = sorted(set("adogbrksitn") | {"Ġ"})
    vocabulary = {word: number for number, word in enumerate([*WORDS[:5], *letters])}
    tokenizer = transformers.RobertaTokenizerFast(
        tokenizer_object=_letters(vocabulary), bos_token="<s>", eos_token="</s>", unk_token="<unk>",
        pad_token="<pad>", mask_token="<mask>", cls_token="<s>", sep_token="</s>",
    )  # fmt: skip
    tokenizer.save_pretrained(folder)
    return folder, model, extractor, tokenizer


def _letters(vocabulary):
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[], unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    return tokenizer


def test_it_embeds_as_transformers_does(clap, tmp_path, capsys):
    folder, model, extractor, tokenizer = clap
    import_checkpoint.main([str(folder), str(tmp_path / "mlclap_clap")])
    assert "--mlclap_tag clap" in capsys.readouterr().out
    ours = MLCLAP.from_pretrained(tmp_path / "mlclap_clap")
    clips = [noise(8000, 1), noise(3000, 2)]
    captions = ["a dog", "it rains a bit"]
    features = extractor(clips, sampling_rate=8000, return_tensors="pt")
    features["is_longer"] = torch.zeros(2, 1, dtype=torch.bool)
    with torch.no_grad():
        audio = model.get_audio_features(**features).numpy()
        text = model.get_text_features(
            **tokenizer(captions, padding=True, return_tensors="pt")
        ).numpy()
    given = [{"array": clip, "sampling_rate": 8000} for clip in clips]
    np.testing.assert_allclose(ours.encode_audio(given), audio, atol=1e-5)
    np.testing.assert_allclose(ours.encode_text(captions), text, atol=1e-5)
    pack.main(
        ["--experiment_dir", str(tmp_path / "mlclap_clap"), "--out", str(tmp_path / "clap.zip")]
    )
    packed = MLCLAP.from_pretrained(tmp_path / "clap.zip")
    np.testing.assert_array_equal(packed.encode_audio(given), ours.encode_audio(given))
    np.testing.assert_array_equal(packed.encode_text(captions), ours.encode_text(captions))


def test_which_names_are_clap(clap, tmp_path):
    assert is_clap(clap[0])
    assert is_clap("laion/clap-htsat-unfused")
    assert not is_clap("mlclap_audiocaps")
    assert not is_clap("exp/weights.pt")
    (tmp_path / "config.json").write_text("[]")
    assert not is_clap(tmp_path)


def test_what_is_wrong_is_said(clap, tmp_path):
    with pytest.raises(UserError, match="exists already"):
        import_clap(str(clap[0]), tmp_path)
    with pytest.raises(UserError, match="hf download nobody/nothing"):
        import_clap("nobody/nothing", tmp_path / "x")
    with pytest.raises(UserError, match="without a place here: other.weight"):
        to_our_names({"other.weight": torch.zeros(1)})
