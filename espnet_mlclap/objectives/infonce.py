"""Symmetric InfoNCE (ML-CLAP, eq. 3) for batches in which a clip may have several captions.

Legend: U distinct clips, B captions, E width of the shared space; with several ranks U and B are this
rank's rows, the columns are those of all ranks.
"""

from typing import Any, Dict, Mapping, Optional, Tuple

import torch
from torch import Tensor

from espnet_mlclap.objectives.abs_loss import AbsLoss, mean_of
from espnet_mlclap.objectives.gather import gather_rows, joined_index, world_size
from espnet_mlclap.utils.errors import UserError

# A learnable temperature below this makes the loss explode (CLIP clamps there as well).
_COLDEST = 0.01


class InfoNCELoss(AbsLoss):
    """Cross entropy of captions among the clips of the batch and of clips among its captions.

    What it optimises: each caption's own clip should be the most similar of the batch's clips, and each
    clip's own captions the most similar of its captions. Written over the B x B pairs of the batch (clips
    repeated, targets spread evenly over the captions of the same clip) this is eq. 3 of the paper. Here
    each clip appears once: a clip's row counts as often as it has captions, and when captions look for
    clips, the logarithm of that number is added to the clip's column. The result is the same to the last
    digit, and audio is encoded once however many captions a clip has.

    Several rows of `audio` can also be parts of one clip (the authors' batches hold another crop of the
    clip for each of its captions): with `clip_group`, a caption's target is spread evenly over the pairs of
    its group, and a row's over the group's captions. Since a target spread over similarities is the
    similarity to their mean, that only replaces a caption's own row by the mean of its group's.

    The two directions are averaged, as in the authors' code; eq. 3 adds them (a factor 2).

    Args:
        temperature: divisor of the cosine similarities (0.07 in the paper). It stays what is given here,
            whatever the weights say that are loaded.
        learnable_temperature: train it along with the model, from `temperature` or that of the weights.
        embedding_regularisation: weight of mean(|x|) / ||x|| of either side's embeddings, an option of the
            authors' code that is negligible on unit vectors; 0 switches it off.
        gather_across_ranks: with several ranks, contrast with the clips and captions of all of them.

    Inputs: unit vectors; every clip needs at least one caption in the batch. Similarities and loss are
    computed in float32, also under autocast.

    Example:
        >>> loss = InfoNCELoss(temperature=0.07)
        >>> value, stats = loss(audio, text, torch.tensor([0, 0, 1]))  # two clips, three captions

    Raises:
        UserError: a temperature that is not positive.
    """

    takes_groups = True

    def __init__(
        self,
        *,
        temperature: float = 0.07,
        learnable_temperature: bool = False,
        embedding_regularisation: float = 0.0,
        gather_across_ranks: bool = True,
    ):
        super().__init__()
        if temperature <= 0:
            raise UserError(f"loss_conf: temperature must be above 0, not {temperature}")
        self.temperature = torch.nn.Parameter(
            torch.tensor(float(temperature)), requires_grad=learnable_temperature
        )
        self._configured_temperature = float(temperature)
        self.embedding_regularisation = embedding_regularisation
        self.gather_across_ranks = gather_across_ranks

    def _load_from_state_dict(self, state_dict: Mapping[str, Tensor], *args: Any) -> None:
        super()._load_from_state_dict(state_dict, *args)
        if not self.temperature.requires_grad:
            with torch.no_grad():
                self.temperature.fill_(self._configured_temperature)

    def forward(
        self,
        audio: Tensor,
        text: Tensor,
        clip_index: Tensor,
        clip_group: Optional[Tensor] = None,
    ) -> Tuple[Tensor, Dict[str, Tensor]]:
        """Loss of a batch; see `AbsLoss.forward`.

        Args:
            clip_group: [U] int64, the same for rows of `audio` that are parts of one clip; None: every
                row is a clip of its own.
        """
        with torch.autocast(audio.device.type, enabled=False):
            return self._contrast(audio.float(), text.float(), clip_index, clip_group)

    def _contrast(
        self, audio: Tensor, text: Tensor, clip_index: Tensor, clip_group: Optional[Tensor]
    ) -> Tuple[Tensor, Dict[str, Tensor]]:
        temperature = self.current_temperature()
        all_audio, all_text, all_index = audio, text, clip_index
        if self.gather_across_ranks and world_size() > 1:
            all_audio, all_text, all_index = self.gather(audio, text, clip_index)
        captions_of_clip = torch.bincount(all_index, minlength=all_audio.shape[0]).float()
        # Similarity to the positives, the same in both directions. [B]
        positive = _own_audio(audio[clip_index], clip_index, clip_group)
        own = (positive * text).sum(dim=1) / temperature

        # Captions look for clips: [B, all U].
        to_audio = text @ all_audio.T / temperature
        loss_t2a = mean_of(torch.logsumexp(to_audio + captions_of_clip.log(), dim=1) - own)

        # Clips look for captions: [U, all B] -> [B]. A row counts once for each of its captions.
        to_text = audio @ all_text.T / temperature
        loss_a2t = mean_of(torch.logsumexp(to_text, dim=1)[clip_index] - own)

        return self.summed_up(loss_t2a, loss_a2t, audio[clip_index], text)

    def of_similarities(
        self, similarity: Tensor, clip_index: Tensor
    ) -> Tuple[Tensor, Dict[str, Tensor]]:
        """Loss of the pairs that are given; see `AbsLoss.of_similarities`.

        `embedding_regularisation` does not apply: there are no embeddings.
        """
        logits = self.logits(similarity)
        captions_of_clip = torch.bincount(clip_index, minlength=logits.shape[1]).float()
        own = logits[torch.arange(len(clip_index), device=clip_index.device), clip_index]
        loss_t2a = (torch.logsumexp(logits + captions_of_clip.log(), dim=1) - own).mean()
        loss_a2t = (torch.logsumexp(logits, dim=0)[clip_index] - own).mean()
        return self.mean_of_directions(loss_t2a, loss_a2t)

    def logits(self, similarity: Tensor) -> Tensor:
        """Similarities over the temperature, for `of_similarities`."""
        return over_temperature(similarity.float(), self.current_temperature())

    def current_temperature(self) -> Tensor:
        """The temperature, not below the coldest that training bears."""
        if self.temperature.requires_grad:
            with torch.no_grad():  # clamped in the graph, it would get no gradient any more
                self.temperature.clamp_(min=_COLDEST)
        return self.temperature

    @staticmethod
    def gather(audio: Tensor, text: Tensor, clip_index: Tensor) -> Tuple[Tensor, Tensor, Tensor]:
        """Clips, captions and `clip_index` of all ranks."""
        audio_parts = gather_rows(audio)
        index = joined_index(gather_rows(clip_index), [len(part) for part in audio_parts])
        return torch.cat(audio_parts), torch.cat(gather_rows(text)), index

    def summed_up(
        self, loss_t2a: Tensor, loss_a2t: Tensor, pairs: Tensor, text: Tensor
    ) -> Tuple[Tensor, Dict[str, Tensor]]:
        """The mean of both directions with the regularisation, and the numbers to report.

        Args:
            loss_t2a, loss_a2t: of captions among clips, and of clips among captions.
            pairs: [B, E] the clip of each caption.
            text: [B, E] the captions.
        """
        loss, stats = self.mean_of_directions(loss_t2a, loss_a2t)
        if self.embedding_regularisation and len(text):
            penalty = _spread(pairs) + _spread(text)
            loss = loss + self.embedding_regularisation * penalty
            stats["regularisation"] = penalty.detach()
            stats["loss"] = loss.detach()
        return loss, stats

    def mean_of_directions(
        self, loss_t2a: Tensor, loss_a2t: Tensor
    ) -> Tuple[Tensor, Dict[str, Tensor]]:
        """The mean of both directions, and the numbers to report."""
        loss = (loss_t2a + loss_a2t) / 2
        return loss, {
            "loss_t2a": loss_t2a.detach(),
            "loss_a2t": loss_a2t.detach(),
            "temperature": self.temperature.detach().clone(),
            "loss": loss.detach(),
        }


def over_temperature(similarity: Tensor, temperature: Any) -> Tensor:
    """Similarities over a temperature; pairs that do not count (-inf) give it no gradient."""
    counts = torch.isfinite(similarity)
    scaled = similarity.masked_fill(~counts, 0.0) / temperature
    return scaled.masked_fill(~counts, -torch.inf)


def _own_audio(pairs: Tensor, clip_index: Tensor, clip_group: Optional[Tensor]) -> Tensor:
    """What each caption should be similar to: its row of the pairs [B, E], or its group's mean."""
    if clip_group is None:
        return pairs
    group = clip_group[clip_index]
    same = (group[:, None] == group).to(pairs.dtype)
    return same @ pairs / same.sum(dim=1, keepdim=True)


def _spread(embeddings: Tensor) -> Tensor:
    return embeddings.abs().mean() / embeddings.square().sum().sqrt()
