"""Train encoder and decoder together, as SONAR was: translation through one vector a sentence.

The loss is the cross entropy of the target sentence given the embedding of the source sentence,
plus the squared distance between the embeddings of two parallel sentences, which makes the space
one for all languages (Duquenne, Schwenk and Sagot: SONAR: Sentence-Level Multimodal and
Language-Agnostic Representations, 2023, section 3).
"""

import math
from typing import Any

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
from small_sonar.batches import Batch, TokenTable, batches


def model_configs(
    vocab: VocabularyInfo, settings: dict[str, Any]
) -> tuple[SonarTextEncoderConfig, SonarTextDecoderConfig]:
    """Configurations of encoder and decoder: those of SONAR's `basic`, small and without dropout."""
    common = {
        "model_dim": settings["model_dim"],
        "max_seq_len": settings["max_seq_len"],
        "vocab_info": vocab,
        "num_encoder_layers": settings["layers"],
        "num_decoder_layers": settings["layers"],
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
    """Encoder and decoder with the training loss."""

    def __init__(self, encoder: SonarTextEncoderConfig, decoder: SonarTextDecoderConfig):
        super().__init__()
        self.encoder = SonarTextEncoderFactory(encoder).create_model()
        self.decoder = SonarTextDecoderFactory(decoder).create_model()

    def forward(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Cross entropy (nats a token), squared distance of parallel embeddings (mean over width)."""
        embeddings, parallel = (
            self.encoder(
                side.tokens, BatchLayout.of(side.tokens, seq_lens=side.lengths)
            ).sentence_embeddings
            for side in (batch.source, batch.parallel)
        )
        # decoder input: all but the last token; to predict: all but the first
        tokens = batch.target.tokens[:, :-1]
        layout = BatchLayout.of(tokens, seq_lens=[length - 1 for length in batch.target.lengths])
        memory = embeddings.unsqueeze(1)
        hidden = self.decoder.decode(tokens, layout, memory, BatchLayout.of(memory))
        logits = self.decoder.project(hidden)  # [rows, tokens, vocabulary]
        # the language is given, not predicted
        entropy = cross_entropy(
            logits[:, 1:].flatten(0, 1), batch.target.tokens[:, 2:].flatten(), ignore_index=0
        )
        return entropy, torch.mean((embeddings[: len(parallel)] - parallel) ** 2)


def train(model: SmallSonar, table: TokenTable, settings: dict[str, Any], seed: int) -> None:
    """Train in place: Adam with a linear warm-up and a cosine to zero."""
    torch.set_num_threads(settings["threads"])
    optimizer = torch.optim.Adam(model.parameters(), lr=settings["learning_rate"])
    steps, warmup = settings["steps"], settings["warmup_steps"]
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer,
        lambda step: min((step + 1) / warmup, 0.5 + 0.5 * math.cos(math.pi * step / steps)),
    )
    stream = batches(
        table,
        settings["batch_size"],
        settings["english_source"],
        settings["alignment_share"],
        np.random.default_rng(seed),
    )
    model.train()
    with progress_bar("training the small SONAR", steps, "steps") as bar:
        for _ in range(steps):
            entropy, distance = model(next(stream))
            optimizer.zero_grad()
            (entropy + settings["alignment_weight"] * distance).backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), settings["clip_grad_norm"])
            optimizer.step()
            schedule.step()
            bar.set_description_str(
                f"training the small SONAR (now {entropy.item():.3f} nats a token)", refresh=False
            )
            bar.update()
    model.eval()
