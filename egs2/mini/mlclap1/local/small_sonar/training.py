"""Train encoder and decoder: meaning, then translation, through one vector a sentence.

SONAR's text encoder and decoder were trained to translate, with the decoder seeing one vector of the
source sentence (Duquenne, Schwenk and Sagot: SONAR: Sentence-Level Multimodal and Language-Agnostic
Representations, 2023, section 3). That alone takes a small model thousands of steps before its vectors
hold more than the shape of a sentence. Here the grammar knows what a sentence means, so the encoder is
first taught to make vectors from which linear maps, thrown away afterwards, read the meaning, in
whatever language it was said. Then both learn to translate, while the maps keep the vectors readable.
Last, the encoder learns to embed every language where it embeds English.
"""

import copy
import math
from typing import Any, Callable, Iterable

import numpy as np
import torch
from fairseq2.data.tokenizers import VocabularyInfo
from fairseq2.nn import BatchLayout
from sonar.models.sonar_text import (
    SonarTextDecoderConfig,
    SonarTextDecoderFactory,
    SonarTextEncoderConfig,
    SonarTextEncoderFactory,
)
from torch import Tensor
from torch.nn.functional import cross_entropy

from espnet_mlclap.utils.progress import progress_bar
from small_sonar.batches import Padded, TokenTable, batches
from small_sonar.sentences import MEANING_SIZES


def model_configs(
    vocab: VocabularyInfo, settings: dict[str, Any]
) -> tuple[SonarTextEncoderConfig, SonarTextDecoderConfig]:
    """Configurations of encoder and decoder: those of SONAR's `basic`, small and without dropout."""
    common = {
        "model_dim": settings["model_dim"],
        "max_seq_len": settings["max_seq_len"],
        "vocab_info": vocab,
        "num_encoder_layers": settings["encoder_layers"],
        "num_decoder_layers": settings["decoder_layers"],
        "num_encoder_attn_heads": settings["heads"],
        "num_decoder_attn_heads": settings["heads"],
        "ffn_inner_dim": settings["ffn_inner_dim"],
        "activation_fn": "ReLU",
        "no_scale_embedding": False,
        "no_token_positional_embeddings": False,
        "learned_pos": False,
        "emb_dropout_p": 0.0,
        "attention_dropout_p": 0.0,
        "activation_dropout_p": 0.0,
    }
    encoder = SonarTextEncoderConfig(
        pooling="mean", normalize_before=False, _from_fairseq=False, **common
    )
    return encoder, SonarTextDecoderConfig(normalize_before=True, **common)


class SmallSonar(torch.nn.Module):
    """Encoder, decoder, and the linear maps that read a sentence's meaning from its vector."""

    def __init__(self, encoder: SonarTextEncoderConfig, decoder: SonarTextDecoderConfig):
        super().__init__()
        self.encoder = SonarTextEncoderFactory(encoder).create_model()
        self.decoder = SonarTextDecoderFactory(decoder).create_model()
        self.reader = torch.nn.Linear(encoder.model_dim, sum(MEANING_SIZES))

    def embed(self, source: Padded) -> Tensor:
        """[rows, model_dim]"""
        layout = BatchLayout.of(source.tokens, seq_lens=source.lengths)
        return self.encoder(source.tokens, layout).sentence_embeddings

    def reading_loss(self, embeddings: Tensor, meaning: Tensor) -> Tensor:
        """Cross entropy of the meaning given the embeddings (nats a sentence)."""
        guesses = self.reader(embeddings).split(MEANING_SIZES, dim=1)
        return torch.stack(
            [cross_entropy(guess, meaning[:, n]) for n, guess in enumerate(guesses)]
        ).sum()

    def translation_loss(self, embeddings: Tensor, target: Padded) -> Tensor:
        """Cross entropy of the target given the source's embedding (nats a token)."""
        # decoder input: all but the last token; to predict: all but the first
        tokens = target.tokens[:, :-1]
        layout = BatchLayout.of(tokens, seq_lens=[length - 1 for length in target.lengths])
        memory = embeddings.unsqueeze(1)
        hidden = self.decoder.decode(tokens, layout, memory, BatchLayout.of(memory))
        logits = self.decoder.project(hidden)  # [rows, tokens, vocabulary]
        # the language is given, not predicted
        return cross_entropy(
            logits[:, 1:].flatten(0, 1), target.tokens[:, 2:].flatten(), ignore_index=0
        )


def train(model: SmallSonar, table: TokenTable, settings: dict[str, Any], seed: int) -> None:
    """Train in place, in the three steps that the module's docstring describes."""
    torch.set_num_threads(settings["threads"])
    rng = np.random.default_rng(seed)
    model.train()
    mixed = batches(table, settings["batch_size"], 0.0, rng)
    stream = batches(table, settings["batch_size"], settings["english_source"], rng)

    def reading() -> Tensor:
        batch = next(mixed)
        return model.reading_loss(model.embed(batch.source), batch.meaning)

    def translating() -> Tensor:
        batch = next(stream)
        embeddings = model.embed(batch.source)
        translated = model.translation_loss(embeddings, batch.target)
        read = model.reading_loss(embeddings, batch.meaning)
        return translated + settings["reading_weight"] * read

    _optimise("learning to mean", model.parameters(), reading, settings["reading_steps"], settings)
    _optimise(
        "learning to translate",
        model.parameters(),
        translating,
        settings["translation_steps"],
        settings,
    )
    teacher = copy.deepcopy(model).eval().requires_grad_(False)

    def aligning() -> Tensor:
        batch = next(mixed)
        return torch.mean((model.embed(batch.source) - teacher.embed(batch.english)) ** 2)

    _optimise(
        "learning to embed alike",
        model.encoder.parameters(),
        aligning,
        settings["alignment_steps"],
        settings,
    )
    model.eval()


def _optimise(
    what: str,
    parameters: Iterable[torch.nn.Parameter],
    loss: Callable[[], Tensor],
    steps: int,
    settings: dict[str, Any],
) -> None:
    """Adam with a linear warm-up and a cosine to zero."""
    parameters = list(parameters)
    optimizer = torch.optim.Adam(
        parameters, lr=settings["learning_rate"], betas=tuple(settings["betas"])
    )
    warmup = settings["warmup_steps"]
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer,
        lambda step: min((step + 1) / warmup, 0.5 + 0.5 * math.cos(math.pi * step / steps)),
    )
    with progress_bar(what, steps, "steps") as bar:
        for _ in range(steps):
            value = loss()
            optimizer.zero_grad()
            value.backward()
            torch.nn.utils.clip_grad_norm_(parameters, settings["clip_grad_norm"])
            optimizer.step()
            schedule.step()
            bar.set_description_str(f"{what} (loss now {value.item():.4f})", refresh=False)
            bar.update()
