"""Bigger batches than memory holds: embed in chunks, keep the embeddings alone, embed again for gradients.

A contrast needs the embeddings of the whole batch, but what a tower remembers for its gradients is needed
for one chunk at a time. So each chunk is embedded without remembering anything; the loss and its gradients
with respect to the embeddings are computed for the batch; then each chunk is embedded again, with the same
random numbers for dropout, and its gradients are added (L. Gao et al., "Scaling Deep Contrastive Learning
Batch Size under Memory Limited Setup", 2021, arXiv:2101.06983). Memory is that of one chunk, time that of one
more forward pass.

The gradients are those of the batch at once. Three things are to be said about that:

- Batch normalisation. CED normalises mel bins over all frames of the batch before its first weight. That is
  cheap, so it is done for the batch as a whole (`AbsAudioEncoder.across_clips`), and the chunks take what
  comes out. Batch normalisation deeper in an encoder sees a chunk instead of the batch, since it cannot see
  more without remembering all; its running statistics count each chunk once, not again when it is
  repeated. A warning names it.
- Dropout draws its random numbers in another order: another draw, as with another seed.
- With several ranks the loss gathers embeddings of all of them, as ever, and gradients are exchanged once
  per step.
"""

import logging
from functools import partial
from typing import Callable, Sequence

import torch
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint

from espnet_mlclap.models.audio_encoder.masked_batch_norm import PackedBatchNorm
from espnet_mlclap.models.audio_encoder.recompute import repeated
from espnet_mlclap.models.padding import by_length
from espnet_mlclap.models.two_tower import TwoTowerModel
from espnet_mlclap.utils.errors import UserError


class GradientCache:
    """Embeds clips and captions in chunks.

    Args:
        model: the two towers.
        chunk: clips, or captions, that are embedded at a time.

    Raises:
        UserError: a chunk of less than 1.
    """

    def __init__(self, model: TwoTowerModel, chunk: int):
        if chunk < 1:
            raise UserError(f"objective_conf: gradient_cache_chunk must be 1 or more, not {chunk}")
        self.model = model
        self.chunk = chunk
        for name, part in model.named_modules():
            if isinstance(part, _BatchNorm) and not isinstance(part, PackedBatchNorm):
                logging.warning(
                    f"gradient_cache_chunk: the batch normalisation {name} sees {chunk} clips at a time, not "
                    "the batch."
                )
                break

    def encode_audio(self, audio: Tensor, audio_lengths: Tensor) -> Tensor:
        """As `TwoTowerModel.encode_audio`."""
        clips = self.model.across_clips(audio, audio_lengths)
        rows = torch.arange(len(audio), device=audio.device)
        parts = [
            self._remembering_nothing(self.model.encode_each_clip, [one[chunk] for one in clips])
            for chunk in rows.split(self.chunk)
        ]
        return torch.cat(parts)

    def encode_text(self, text: Tensor, text_lengths: Tensor) -> Tensor:
        """As `TwoTowerModel.encode_text`; captions of similar length are embedded together."""
        return by_length(
            lambda *captions: self._remembering_nothing(self.model.encode_text, captions),
            text,
            text_lengths,
            self.chunk,
        )

    def _remembering_nothing(
        self, encode: Callable[..., Tensor], inputs: Sequence[Tensor]
    ) -> Tensor:
        return checkpoint(
            encode,
            *inputs,
            use_reentrant=False,
            preserve_rng_state=True,
            context_fn=partial(repeated, self.model),
        )
