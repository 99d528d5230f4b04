"""CED audio encoder (Dinkel et al., "CED: Consistent ensemble distillation for audio tagging",
arXiv:2308.11957): log-mel spectrogram, batch normalisation of the mel bins, 16 x 16 patches, a vision
transformer, the mean of its tokens.

A clip longer than a chunk (1,012 frames, 10.12 s) is processed in chunks. There are two modes. They
give the same embedding for a clip alone that fits one chunk, and differ otherwise:

                    `default`                               `reference` (the published code)
Padding             masked: in the reflection at a clip's   is sound: an embedding depends on the
                    end, in batch statistics, in attention  longest neighbour in the batch
                    and in pooling
Decibel floor       120 dB below the clip's maximum         120 dB below the whole batch's: a quiet clip
                                                            next to a loud one loses its background
Last chunk          as long as it is; an embedding is the   padded with zeros after batch normalisation
                    mean over all tokens                    and counted like a full one
Exact multiple of   all chunks                              the last chunk is dropped
1,012 (from 2,024)
Batch statistics    of real frames, exact                   of real and padded frames, summed in the
while training                                              published order (see `PackedBatchNorm`)

The reason is the same every time: a clip's embedding must not depend on its neighbours, nor on frames
that are not there. Common to both modes: only whole patches are used, so up to 15 frames at the end of
a chunk (4 of 1,012) are left out; a clip of less than one patch (16 frames, 0.16 s), on which the
published code fails, is filled up with zeros after batch normalisation; patch dropout draws columns and
rows for each chunk (the published code draws once per batch). Features extracted beforehand have a floor
of their own, so `reference` reproduces the published batches from waveforms only.

Use `default` for anything new; `reference` is for figures of published checkpoints.
"""

from itertools import accumulate
from pathlib import Path
from typing import Iterator, List, NamedTuple, Optional, Sequence, Tuple, Union

import torch
from torch.nn.functional import embedding, linear
from torch.nn.utils.rnn import pad_sequence

from espnet_mlclap.checkpoints.ced import load_ced
from espnet_mlclap.checkpoints.ced_sizes import WHERE, ced_shape
from espnet_mlclap.models.audio_encoder.abs_audio_encoder import AbsAudioEncoder
from espnet_mlclap.models.audio_encoder.ced_chunks import (
    PATCH,
    Chunk,
    cut,
    cut_as_reference,
    group,
)
from espnet_mlclap.models.audio_encoder.masked_batch_norm import PackedBatchNorm
from espnet_mlclap.models.audio_encoder.mel import N_MELS, LogMel, num_frames
from espnet_mlclap.models.audio_encoder.patch_dropout import drop_patches
from espnet_mlclap.models.audio_encoder.recompute import recompute_in_backward
from espnet_mlclap.models.audio_encoder.vision_transformer import NORM_EPS, Block, init_weights
from espnet_mlclap.models.pooling import segment_means
from espnet_mlclap.models.tokens import Tokens, length_mask
from espnet_mlclap.utils.errors import UserError

_ROWS = N_MELS // PATCH  # patches in frequency
_PATCHES_PER_PASS = 2048  # without gradients: about 100 MB of activations with CED-Base


class _ChunkTokens(NamedTuple):
    """Tokens of some chunks of equal or similar length, and where they come from."""

    positions: List[int]  # of the chunks in the plan
    tokens: torch.Tensor  # [chunks, rows * columns, D], frequency-major
    mask: Optional[torch.Tensor]  # [chunks, rows * columns] True for real tokens; None: all are


class CEDAudioEncoder(AbsAudioEncoder):
    """CED, tiny to base or of a size of your own.

    Args:
        size: a published size, `tiny`, `mini`, `small` or `base`; or None and the next three.
        embed_dim: width D.
        depth: number of transformer blocks.
        num_heads: attention heads.
        mode: `default` or `reference`; see the module's docstring.
        patch_dropout_time: share of the time columns of patches left out while training, in [0, 1).
        patch_dropout_frequency: the same for the (four) frequency rows.
        chunk_frames: longest chunk; position embeddings of a checkpoint made for another length are
            cut or resampled.
        gradient_checkpointing: keep only the input of each transformer block while training, and compute
            the rest again for the gradients: with CED-Base 6 instead of 80 MiB per clip of 10 s, for
            about a quarter more time.
        num_classes: of the tagging head, which the published checkpoints contain (527: AudioSet).
        checkpoint: published weights to start from: a name of the weights table (`ced_base`) or a
            path; see `espnet_mlclap.checkpoints.ced`.

    Raises:
        UserError: an argument is out of its range, or the checkpoint cannot be found or does not fit.
    """

    def __init__(
        self,
        *,
        size: Optional[str] = None,
        embed_dim: Optional[int] = None,
        depth: Optional[int] = None,
        num_heads: Optional[int] = None,
        mode: str = "default",
        patch_dropout_time: float = 0.25,
        patch_dropout_frequency: float = 0.25,
        chunk_frames: int = 1012,
        gradient_checkpointing: bool = False,
        num_classes: int = 527,
        checkpoint: Optional[Union[str, Path]] = None,
    ) -> None:
        super().__init__()
        embed_dim, depth, num_heads = ced_shape(size, embed_dim, depth, num_heads)
        if mode not in ("default", "reference"):
            raise UserError(f"{WHERE}: mode must be 'default' or 'reference', not {mode!r}")
        for name, share in (
            ("patch_dropout_time", patch_dropout_time),
            ("patch_dropout_frequency", patch_dropout_frequency),
        ):
            if not 0 <= share < 1:
                raise UserError(f"{WHERE}: {name} must be in [0, 1), not {share}")
        if chunk_frames < PATCH:
            raise UserError(f"{WHERE}: chunk_frames must be {PATCH} or more, not {chunk_frames}")
        self.mode = mode
        self.patch_dropout_time = patch_dropout_time
        self.patch_dropout_frequency = patch_dropout_frequency
        self.chunk_frames = chunk_frames

        # Names and nesting are those of the published state dicts: init_bn.1, patch_embed.proj, ...
        self.front_end = LogMel()
        self.init_bn = torch.nn.ModuleDict({"1": PackedBatchNorm(N_MELS, momentum=0.01)})
        self.patch_embed = torch.nn.ModuleDict(
            {"proj": torch.nn.Conv2d(1, embed_dim, kernel_size=PATCH, stride=PATCH)}
        )
        columns = chunk_frames // PATCH
        self.time_pos_embed = torch.nn.Parameter(0.02 * torch.randn(1, embed_dim, 1, columns))
        self.freq_pos_embed = torch.nn.Parameter(0.02 * torch.randn(1, embed_dim, _ROWS, 1))
        self.blocks = torch.nn.ModuleList(
            Block(dim=embed_dim, num_heads=num_heads) for _ in range(depth)
        )
        if gradient_checkpointing:
            recompute_in_backward(self.blocks)
        self.norm = torch.nn.LayerNorm(embed_dim, eps=NORM_EPS)
        # The tagging head has no part in retrieval: without gradients, data-parallel training does
        # not wait for it.
        self.outputlayer = torch.nn.Sequential(
            torch.nn.LayerNorm(embed_dim), torch.nn.Linear(embed_dim, num_classes)
        ).requires_grad_(False)
        init_weights(self)
        if checkpoint is not None:
            load_ced(self, checkpoint)

    def output_size(self) -> int:
        """Width D of the embedding."""
        return self.norm.normalized_shape[0]

    def forward(self, audio: torch.Tensor, audio_lengths: torch.Tensor) -> Tokens:
        """Encode a batch of clips; see `AbsAudioEncoder.forward`.

        Returns:
            The features after the last norm: of each chunk frequency-major, four rows; the chunks of a
            clip one after the other, distinguished by `segment` where there are several.
        """
        packed, lengths = self._normalised_frames(audio, audio_lengths)
        return self._tokens(packed, lengths)

    def across_clips(
        self, audio: torch.Tensor, audio_lengths: torch.Tensor
    ) -> Tuple[torch.Tensor, ...]:
        """Frames after batch normalisation, the first thing that is done to them: [clips, frames, 64] and
        the frames of each clip."""
        packed, lengths = self._normalised_frames(audio, audio_lengths)
        frames = pad_sequence(list(packed.split(lengths)), batch_first=True)
        return frames, torch.tensor(lengths, device=frames.device)

    def of_each_clip(self, *clips: torch.Tensor) -> Tokens:
        frames, lengths = clips
        return self._tokens(_packed(frames, lengths), lengths.tolist())

    def tagging_probabilities(
        self, audio: torch.Tensor, audio_lengths: torch.Tensor
    ) -> torch.Tensor:
        """Probabilities of the classes of the checkpoint's tagging head (527: AudioSet).

        Args:
            audio, audio_lengths: as for `forward`.

        Returns:
            [clips, classes] in [0, 1]; those of a clip of several chunks are the mean over its chunks, by
            their numbers of tokens.
        """
        tokens = self(audio, audio_lengths)
        if tokens.segment is None:
            return self.outputlayer(tokens.mean()).sigmoid()
        means, counts = segment_means(tokens)  # [clips, chunks, D], [clips, chunks]
        shares = counts / counts.sum(dim=1, keepdim=True)
        return (self.outputlayer(means).sigmoid() * shares.unsqueeze(2)).sum(dim=1)

    def _normalised_frames(
        self, audio: torch.Tensor, audio_lengths: torch.Tensor
    ) -> Tuple[torch.Tensor, List[int]]:
        """Frames of all clips one after another, normalised, and the number of each clip's."""
        reference = self.mode == "reference"
        audio_lengths = audio_lengths.to(audio.device)
        if audio.dim() == 3:
            mel, frame_lengths = audio.float(), audio_lengths
        elif audio.dim() == 2:
            if reference:
                mel = self.front_end.with_batch_floor(audio)
            else:
                mel = self.front_end(audio, audio_lengths)
            frame_lengths = num_frames(audio_lengths)
        else:
            raise ValueError(
                "audio must be [clips, samples] or [clips, frames, mel bins], "
                f"not of shape {tuple(audio.shape)}"
            )
        if mel.size(2) != N_MELS:
            raise ValueError(f"CED needs {N_MELS} mel bins, not {mel.size(2)}")
        frames = mel.size(1)
        if reference:
            frame_lengths = torch.full_like(frame_lengths, frames)
        frame_lengths = frame_lengths.clamp(max=frames)
        packed = self.init_bn["1"](_packed(mel, frame_lengths), bins_apart=not reference)
        return packed, frame_lengths.tolist()

    def _tokens(self, packed: torch.Tensor, lengths: List[int]) -> Tokens:
        """Tokens of clips, whose normalised frames are one after another."""
        if self.mode == "reference":
            chunks = cut_as_reference(len(lengths), lengths[0], self.chunk_frames)
        else:
            chunks = cut(lengths, self.chunk_frames)
        first = [0, *accumulate(lengths)]  # row of each clip
        chunks = [
            Chunk(chunk.clip, first[chunk.clip] + chunk.start, chunk.frames, chunk.patches)
            for chunk in chunks
        ]
        packed = torch.cat([packed, packed.new_zeros(1, N_MELS)])
        parts = list(self._chunk_tokens(packed, chunks))
        if len(parts) == 1 and len(chunks) == len(lengths):
            # one chunk per clip, of similar lengths: as it is, in the order of the clips
            positions, tokens, mask = parts[0]
            back = torch.tensor(positions).argsort().to(tokens.device)
            return Tokens(tokens[back], None if mask is None else mask[back])
        return _by_clip(parts, chunks, len(lengths))

    def _chunk_tokens(self, packed: torch.Tensor, chunks: List[Chunk]) -> Iterator[_ChunkTokens]:
        """Run the transformer over the chunks, similar lengths together."""
        limit = max(chunk.patches for chunk in chunks) * len(chunks)
        for positions in group(chunks, limit if torch.is_grad_enabled() else _PATCHES_PER_PASS):
            members = [chunks[position] for position in positions]
            columns = members[0].patches  # the longest comes first
            numbers = torch.tensor([(c.start, c.frames, c.patches) for c in members])
            start, frames, patches = numbers.to(packed.device).T
            frame = torch.arange(columns * PATCH, device=packed.device)
            zeros = len(packed) - 1
            rows = torch.where(frame < frames[:, None], start[:, None] + frame, zeros)
            # `embedding` is `packed[rows]` whose gradient skips the row of zeros
            grid = self._embed_patches(embedding(rows, packed, padding_idx=zeros))
            padded = members[-1].patches < columns
            if self.training and (self.patch_dropout_time or self.patch_dropout_frequency):
                grid, patches = drop_patches(
                    grid,
                    patches,
                    time=self.patch_dropout_time,
                    frequency=self.patch_dropout_frequency,
                )
            mask = None
            if padded:
                mask = torch.arange(grid.size(2), device=packed.device) < patches.unsqueeze(1)
                mask = mask.unsqueeze(1).expand(-1, grid.size(1), -1).flatten(1)
            x = grid.flatten(1, 2)  # [chunks, rows * columns, D]
            for block in self.blocks:
                x = block(x, None if mask is None else mask[:, None, None])
            yield _ChunkTokens(positions, self.norm(x), mask)

    def _embed_patches(self, frames: torch.Tensor) -> torch.Tensor:
        """[chunks, columns * 16, 64] frames to [chunks, 4, columns, D] patches with their positions.

        The convolution of the checkpoint does not overlap, so it is a linear layer on patches: exact
        in float32 on a GPU too, where convolutions are computed in TF32 by default.
        """
        proj = self.patch_embed["proj"]
        # patches: [chunks, 4, columns, 16 mel bins * 16 frames]
        patches = frames.unflatten(1, (-1, PATCH)).unflatten(3, (_ROWS, PATCH))
        patches = patches.permute(0, 3, 1, 4, 2).flatten(3)
        grid = linear(patches, proj.weight.flatten(1), proj.bias)
        columns = grid.size(2)
        position = self.time_pos_embed[..., :columns] + self.freq_pos_embed  # [1, D, 4, columns]
        return grid + position.permute(0, 2, 3, 1)


def _packed(frames: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    """[clips, frames, bins] without padding: frames of all clips one after another, [all frames, bins]."""
    longest = frames.size(1)
    if int(lengths.min()) == longest:
        return frames.flatten(0, 1)
    return frames[torch.arange(longest, device=frames.device) < lengths.unsqueeze(1)]


def _by_clip(parts: Sequence[_ChunkTokens], chunks: Sequence[Chunk], clips: int) -> Tokens:
    """The tokens of all chunks, those of a clip one after another; chunks are in the order of the clips."""
    tokens_of_chunk = [torch.empty(0)] * len(chunks)
    for positions, tokens, mask in parts:
        for row, position in enumerate(positions):
            tokens_of_chunk[position] = tokens[row] if mask is None else tokens[row][mask[row]]
    values: List[List[torch.Tensor]] = [[] for _ in range(clips)]
    segments: List[List[torch.Tensor]] = [[] for _ in range(clips)]
    for chunk, tokens in zip(chunks, tokens_of_chunk):
        number = torch.full((len(tokens),), len(values[chunk.clip]), device=tokens.device)
        segments[chunk.clip].append(number)
        values[chunk.clip].append(tokens)
    joined = [torch.cat(own) for own in values]
    lengths = torch.tensor([len(own) for own in joined], device=joined[0].device)
    return Tokens(
        pad_sequence(joined, batch_first=True),
        length_mask(lengths, int(lengths.max())),
        pad_sequence([torch.cat(own) for own in segments], batch_first=True),
    )
