"""What the paper leaves open: each option is one line of a configuration, and has the effect it names."""

from collections import Counter

import numpy as np
import pytest
import torch
from espnet2.train.distributed_utils import DistributedOption

from espnet_mlclap.fileio.data_dir import Caption, DataDir, caption_id, read_table, write_table
from espnet_mlclap.models.text_encoder.sonar_tokenizer import SonarTokenizer
from espnet_mlclap.utils.config import resolve_arguments

SECONDS = 0.5  # every clip of `tones` is at least this long

# What the paper does, or what follows where it says nothing.
BASE = """
audio_encoder_conf: {{embed_dim: 24, depth: 1, num_heads: 2}}
text_encoder_conf: {{model: sonar_mini_encoder, dropout: 0.1}}
model_conf: {{embed_size: 16}}
train_data_dir: [{train}]
le_data_dir: [{train}_le]
valid_data_dir: {valid}
le_ratio: 0.5
batch_size: 6
num_workers: 0
use_tensorboard: false
"""


@pytest.fixture(scope="module")
def sets(tones, tmp_path_factory):
    """Training set with three captions a clip, each with a translation into two languages."""
    folder = tmp_path_factory.mktemp("options")
    train, translated = DataDir.read(tones / "train"), DataDir()
    for clip in train.wav_scp:
        for number in (1, 2, 3):
            train.captions[caption_id(clip, "eng_Latn", number)] = Caption(
                f"A dog, barks {number} times !", clip, "eng_Latn"
            )
        for lang in ("deu_Latn", "fra_Latn"):
            translated.captions[caption_id(clip, lang, 1)] = Caption("Un chien", clip, lang)
    train.write(folder / "train")
    translated.write(folder / "train_le")
    sources = {
        key: caption_id(caption.clip, "eng_Latn", 1) for key, caption in translated.captions.items()
    }
    write_table(folder / "train_le" / "utt2source", sources)
    return {"train": folder / "train", "valid": tones / "valid"}


class Built:
    """Model and training batches of a configuration."""

    def __init__(self, folder, sets, line):
        from espnet_mlclap.tasks.mlclap import MLCLAPTask

        (folder / "base.yaml").write_text(BASE.format(**sets))
        (folder / "own.yaml").write_text(f"base: base.yaml\n{line}\n")
        options = ["--config", str(folder / "own.yaml"), "--output_dir", str(folder)]
        args = MLCLAPTask.get_parser().parse_args(resolve_arguments(options))
        torch.manual_seed(0)
        self.objective = MLCLAPTask.build_model(args).train()
        self.model = self.objective.model
        self.train_langs = args.train_langs
        self.factory = MLCLAPTask.build_iter_factory(args, DistributedOption(), mode="train")
        self.plan = self.factory.plan

    def batches(self, epoch):
        return list(self.factory.build_iter(epoch))

    def clips(self, epoch):
        """Samples of each clip of an epoch."""
        found = {}
        for batch, (_, tensors) in zip(self.plan.batches(epoch), self.batches(epoch)):
            for item, audio, length in zip(batch, tensors["audio"], tensors["audio_lengths"]):
                found[item.clip] = audio[:length].numpy()
        return found

    def loss(self):
        torch.manual_seed(1)
        return self.objective(**self.batches(1)[0][1])[:2]

    def tokens(self):
        return sorted(tuple(row.tolist()) for _, b in self.batches(1) for row in b["text"])


def one_caption_a_clip(default, own):
    clips = len(own.plan.lengths)
    assert default.plan.count(1)["eng_Latn"] == 3 * clips
    assert own.plan.count(1)["eng_Latn"] == clips
    english = [{key for key in own.plan.draw(epoch) if "-eng_Latn-" in key} for epoch in (1, 2, 3)]
    assert english[0] != english[1] != english[2]


def one_ratio_for_all_languages(default, own):
    def translations(plan):
        counts = sum((Counter(plan.count(epoch)) for epoch in range(1, 201)), Counter())
        return (counts["deu_Latn"] + counts["fra_Latn"]) / 200 / len(plan.lengths)

    assert translations(default.plan) == pytest.approx(2 * 0.5, abs=0.05)
    assert translations(own.plan) == pytest.approx(0.5, abs=0.05)


def the_start_of_clips(default, own):
    whole, cut = default.clips(1), own.clips(1)
    for clip, audio in cut.items():
        np.testing.assert_array_equal(audio, whole[clip][: len(audio)])
    assert max(map(len, cut.values())) == SECONDS * 16000 < max(map(len, whole.values()))


def another_piece_each_epoch(default, own):
    whole, first, second = default.clips(1), own.clips(1), own.clips(2)
    longer = [clip for clip in first if len(whole[clip]) > 1.2 * len(first[clip])]
    assert len(longer) > 3
    for clip in longer:
        assert len(first[clip]) == len(second[clip]) == SECONDS * 16000
        assert not np.array_equal(first[clip], second[clip])
    again = own.clips(1)
    assert all(np.array_equal(first[clip], again[clip]) for clip in first)


def a_temperature_that_is_trained(default, own):
    assert not default.objective.loss.temperature.requires_grad
    optimiser = torch.optim.SGD(own.objective.parameters(), lr=0.01)
    own.loss()[0].backward()
    optimiser.step()
    assert own.objective.loss.temperature.item() != pytest.approx(0.07)


def regularised_embeddings(default, own):
    plain, stats = default.loss()
    assert "regularisation" not in stats
    loss, stats = own.loss()
    assert loss.item() == pytest.approx(plain.item() + 3.0 * stats["regularisation"].item())
    assert stats["regularisation"] > 0


def normalised_captions(default, own):
    tokenizer = own.model.text_encoder.tokenizer
    written = tuple(tokenizer("A dog, barks 1 times !", "eng_Latn").tolist())
    plain = tuple(tokenizer("a dog barks 1 times ", "eng_Latn").tolist())
    assert any(row[: len(written)] == written for row in default.tokens())
    assert not any(row[: len(written)] == written for row in own.tokens())
    assert any(row[: len(plain)] == plain for row in own.tokens())


def a_text_encoder_that_stays(default, own):
    assert all(p.requires_grad for p in default.model.text_encoder.parameters())
    before = {key: value.clone() for key, value in own.model.state_dict().items()}
    optimiser = torch.optim.SGD([p for p in own.objective.parameters() if p.requires_grad], lr=0.1)
    own.loss()[0].backward()
    optimiser.step()
    after = own.model.state_dict()
    changed = {key.split(".")[0] for key in before if not torch.equal(before[key], after[key])}
    assert changed == {"audio_encoder", "audio_projection", "text_projection"}
    text = own.batches(1)[0][1]["text"], own.batches(1)[0][1]["text_lengths"]
    with torch.no_grad():  # without dropout, although the model trains
        assert torch.equal(own.model.encode_text(*text), own.model.encode_text(*text))
        assert not torch.equal(default.model.encode_text(*text), default.model.encode_text(*text))


def towers_in_bfloat16(default, own):
    assert {parameter.dtype for parameter in own.objective.parameters()} == {torch.float32}
    loss, expected = own.loss()[0], default.loss()[0]
    assert loss.dtype == torch.float32
    assert loss.item() != expected.item()
    assert loss.item() == pytest.approx(expected.item(), rel=0.05)


def pairs_judged_one_by_one(default, own):
    names = {name for name, weight in own.objective.loss.named_parameters() if weight.requires_grad}
    assert names == {"log_scale", "bias"}
    loss, stats = own.loss()
    assert loss.item() == pytest.approx((stats["loss_positive"] + stats["loss_negative"]).item())


def chunks_in_place_of_batches(default, own):
    sizes = []
    own.model.text_encoder.register_forward_hook(lambda _, given, __: sizes.append(len(given[0])))
    assert own.loss()[0].isfinite()
    assert max(sizes) == 3
    assert sum(sizes) == len(own.batches(1)[0][1]["text"])


def batches_of_few_seconds(default, own):
    def seconds(built):
        return [tensors["audio"].numel() / 16000 for _, tensors in built.batches(1)]

    assert np.median(seconds(own)) <= 4 * SECONDS < np.median(seconds(default))


def languages_together(built):
    """How many languages each original is in, in its batch; one caption in three is translated."""
    counts = Counter()
    for _, batch in built.batches(1):
        for source in batch["source_index"].unique():
            langs = batch["lang_index"][batch["source_index"] == source].tolist()
            assert len(set(langs)) == len(langs)
            counts[len(langs)] += 1
    return counts


def captions_with_all_their_translations(default, own):
    clips = len(own.plan.lengths)
    assert languages_together(own) == {3: clips, 1: 2 * clips}
    assert own.loss()[0].isfinite()


def captions_with_one_translation(default, own):
    clips = len(own.plan.lengths)
    assert languages_together(own) == {2: clips, 1: 2 * clips}
    assert set(own.objective.reported) <= set(own.loss()[1])


@pytest.mark.parametrize(
    ("line", "effect"),
    [
        ("loss: sigmoid", pairs_judged_one_by_one),
        ("objective_conf: {gradient_cache_chunk: 3}", chunks_in_place_of_batches),
        (f"max_seconds: {SECONDS}\nbatch_seconds: {4 * SECONDS}", batches_of_few_seconds),
        ("objective: one_to_k\nle_pairing: one_to_k", captions_with_all_their_translations),
        ("objective: co_anchor\nle_pairing: co_anchor", captions_with_one_translation),
        ("clip_captions: one", one_caption_a_clip),
        ("le_sharing: shared", one_ratio_for_all_languages),
        (f"max_seconds: {SECONDS}", the_start_of_clips),
        (f"crop: random\nmax_seconds: {SECONDS}", another_piece_each_epoch),
        ("loss_conf: {learnable_temperature: true}", a_temperature_that_is_trained),
        ("loss_conf: {embedding_regularisation: 3.0}", regularised_embeddings),
        ("text_normalization: mlclap", normalised_captions),
        ("model_conf: {freeze_text_encoder: true}", a_text_encoder_that_stays),
        ("model_conf: {amp_dtype: bfloat16}", towers_in_bfloat16),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_an_option_does_what_it_says(sets, tmp_path, line, effect):
    for name in ("default", "own"):
        (tmp_path / name).mkdir()
    default = Built(tmp_path / "default", sets, "")
    effect(default, Built(tmp_path / "own", sets, line))


def test_what_a_training_batch_says(sets, tmp_path, monkeypatch):
    """Clip, language and source of every caption as on disk; padding with the tokenizer's token."""
    monkeypatch.setattr(SonarTokenizer, "pad_id", 5)
    built = Built(tmp_path, sets, "le_ratio: 1.0")
    assert built.train_langs == ["eng_Latn", "fra_Latn", "deu_Latn"]
    on_disk = read_table(f"{sets['train']}_le/utt2source")
    source_of_number = {}
    for keys, batch in built.batches(1):
        clips, padded = {}, 0
        for row, key in enumerate(keys):
            caption = built.plan.captions[key]
            assert built.train_langs[batch["lang_index"][row]] == caption.lang
            clips.setdefault(int(batch["clip_index"][row]), set()).add(caption.clip)
            number = int(batch["source_index"][row])
            source_of_number.setdefault(number, set()).add(on_disk.get(key, key))
            rest = batch["text"][row, batch["text_lengths"][row] :]
            assert (rest == 5).all()
            padded += len(rest)
        assert len(clips) == len(batch["audio"]) == len(batch["audio_lengths"])
        assert all(len(names) == 1 for names in clips.values())
        assert padded > 0
    assert all(len(sources) == 1 for sources in source_of_number.values())
    originals = [key for key in built.plan.captions if key not in on_disk]
    assert len(source_of_number) == len(originals)  # a translation has no number of its own
