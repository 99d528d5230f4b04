"""Estimated correspondences: learn from what trained models think of every pair of a batch.

Legend: U distinct clips, B captions, E width of the shared space, D width of the joined teachers; with
several ranks U and B are this rank's rows, the columns are those of all ranks.
"""

from typing import Any, Dict, NamedTuple, Optional, Sequence, Tuple

import numpy as np
import torch
from torch import Tensor

from espnet_mlclap.objectives.abs_loss import mean_of
from espnet_mlclap.objectives.gather import gather_rows, world_size
from espnet_mlclap.objectives.infonce import InfoNCELoss, over_temperature
from espnet_mlclap.utils.errors import UserError

#: What a batch has of teachers, and what tells that a loss needs some.
TEACHERS = ("teacher_audio", "teacher_text")


class _Rows(NamedTuple):
    """Clips and captions of one rank, or of all of them."""

    audio: Tensor  # [U, E]
    text: Tensor  # [B, E]
    clip_index: Tensor  # [B]
    teacher_audio: Optional[Tensor]  # [U, D]
    teacher_text: Optional[Tensor]  # [B, D]
    lang_index: Optional[Tensor]  # [B]


class CorrespondenceLoss(InfoNCELoss):
    """Cross entropy with targets that teachers estimate, in both directions.

    What it optimises: a caption drawn at random fits many clips in part or wholly, and nobody has annotated
    which. Models that were trained on pairs as usual (stage 1) tell: the correspondence of clip i and
    caption j is the mean over the teachers of their cosine. The targets of a caption are the softmax of its
    correspondences with the clips of the batch, divided by the temperature, those of a clip the softmax of
    its correspondences with the captions; the loss is half the sum of the two cross entropies against the
    student's log-softmax of cosine / temperature. P. Primus, F. Schmid and G. Widmer, "Estimated
    Audio-Caption Correspondences Improve Language-Based Audio Retrieval", DCASE 2024.

    One teacher of the student's own kind is self-distillation, several are an ensemble; a student can be
    the teacher of the next round.

    The supervised term is the paper's stage 1: the mean over all positive pairs of the B x B pairs of a
    batch, in which a clip with n captions has n x n of them (`InfoNCELoss` spreads each caption's target
    evenly, and is the same where all clips of the batch have equally many captions). The authors' code
    multiplies its weight twice where both terms are on; here the loss is the plain weighted sum.

    As in `InfoNCELoss` each clip appears once and stands for as many rows of the B x B form as it has
    captions, to the same result.

    Args:
        supervised_weight: of the targets that the data itself gives (0 in the paper's second stage).
        distillation_weight: of the teachers' targets; 0 needs no teachers.
        language_weight: of correspondences between captions: each caption learns which captions of other
            languages mean the same, by its teachers' cosines with them. Not in the paper, whose captions are
            English; it costs nothing, since the teachers' vectors of all captions are there.
        teacher_temperature: divisor of the correspondences; None: the student's.
        others: those of `InfoNCELoss`; the paper has a fixed temperature of 0.05.

    Inputs: as `InfoNCELoss`, and `teacher_audio`, `teacher_text` of the batch where teachers are needed:
    unit vectors, joined by `join_teachers`.

    Example:
        >>> loss = CorrespondenceLoss(temperature=0.05)
        >>> clips = join_teachers([clips_of_first_teacher, clips_of_second])   # arrays [U, E1], [U, E2]
        >>> captions = join_teachers([captions_of_first_teacher, captions_of_second])
        >>> teachers = {"teacher_audio": tensor(clips), "teacher_text": tensor(captions)}
        >>> value, stats = loss(audio, text, torch.tensor([0, 0, 1]), **teachers)

    Raises:
        UserError: a weight below 0, none above 0, or a temperature that is not positive.
    """

    takes_groups = False  # teachers tell which captions fit a clip

    def __init__(
        self,
        *,
        supervised_weight: float = 0.0,
        distillation_weight: float = 1.0,
        language_weight: float = 0.0,
        teacher_temperature: Optional[float] = None,
        temperature: float = 0.05,
        **others: Any,
    ):
        super().__init__(temperature=temperature, **others)
        weights = {
            "supervised_weight": supervised_weight,
            "distillation_weight": distillation_weight,
            "language_weight": language_weight,
        }
        for name, weight in weights.items():
            if weight < 0:
                raise UserError(f"loss_conf: {name} must be 0 or more, not {weight}")
        if not any(weights.values()):
            raise UserError(f"loss_conf: one of {', '.join(weights)} must be above 0")
        if teacher_temperature is not None and teacher_temperature <= 0:
            raise UserError(
                f"loss_conf: teacher_temperature must be above 0, not {teacher_temperature}"
            )
        self.supervised_weight = supervised_weight
        self.distillation_weight = distillation_weight
        self.language_weight = language_weight
        self.between_languages = language_weight > 0
        self.teacher_temperature = teacher_temperature
        self.needs = TEACHERS if distillation_weight or language_weight else ()
        if language_weight:
            self.needs += ("lang_index",)

    def forward(
        self,
        audio: Tensor,
        text: Tensor,
        clip_index: Tensor,
        *,
        teacher_audio: Optional[Tensor] = None,
        teacher_text: Optional[Tensor] = None,
        lang_index: Optional[Tensor] = None,
    ) -> Tuple[Tensor, Dict[str, Tensor]]:
        """Loss of a batch; see `AbsLoss.forward`.

        Args:
            teacher_audio: [U, D] the teachers' vectors of the clips.
            teacher_text: [B, D] those of the captions.
            lang_index: [B] int64, the language of each caption; for `language_weight`.

        Returns:
            The loss, and as numbers to report it and its parts: `loss_t2a` and `loss_a2t` (with the weights),
            `supervised`, `distillation` and `languages` (without).
        """
        with torch.autocast(audio.device.type, enabled=False):
            own = _Rows(
                *(_precise(rows) for rows in (audio, text)),
                clip_index,
                *(_precise(rows) for rows in (teacher_audio, teacher_text)),
                lang_index,
            )
            return self._weighed(own, self._of_all_ranks(own))

    def _of_all_ranks(self, own: _Rows) -> _Rows:
        if not self.gather_across_ranks or world_size() == 1:
            return own
        audio, text, clip_index = self.gather(own.audio, own.text, own.clip_index)
        more = (
            None if rows is None else torch.cat(gather_rows(rows))
            for rows in (own.teacher_audio, own.teacher_text, own.lang_index)
        )
        return _Rows(audio, text, clip_index, *more)

    def _weighed(self, own: _Rows, all_: _Rows) -> Tuple[Tensor, Dict[str, Tensor]]:
        temperature = self._exact_temperature()
        to_audio = own.text @ all_.audio.T / temperature  # [B, all U]: captions look for clips
        to_text = own.audio @ all_.text.T / temperature  # [U, all B]: clips look for captions
        positive = (own.audio[own.clip_index] * own.text).sum(dim=1) / temperature  # [B]
        targets = None
        if own.teacher_audio is not None:
            divisor = self._of_teachers(temperature)
            targets = (
                own.teacher_text @ all_.teacher_audio.T / divisor,
                own.teacher_audio @ all_.teacher_text.T / divisor,
            )
        both, stats = self._both_directions(
            (to_audio, to_text), positive, targets, own.clip_index, all_.clip_index
        )
        loss, summed = self.summed_up(*both, own.audio[own.clip_index], own.text)
        stats.update(summed)
        if self.language_weight:
            languages = _between_languages(own, all_, temperature, divisor)
            loss = loss + self.language_weight * languages
            stats.update(loss=loss.detach(), languages=languages.detach())
        return loss, stats

    def of_similarities(
        self,
        similarity: Tensor,
        clip_index: Tensor,
        *,
        teacher_audio: Optional[Tensor] = None,
        teacher_text: Optional[Tensor] = None,
        lang_index: Optional[Tensor] = None,
    ) -> Tuple[Tensor, Dict[str, Tensor]]:
        """Loss of the pairs that are given: `AbsLoss.of_similarities`. A caption's own pair must count.

        The teachers' targets are spread over the pairs that count. `language_weight` must be 0: a model of
        pairs says nothing about two captions.
        """
        temperature = self._exact_temperature()
        logits = over_temperature(_precise(similarity), temperature)
        targets = None
        if teacher_audio is not None:
            of_captions = _precise(teacher_text) @ _precise(teacher_audio).T
            of_captions = of_captions / self._of_teachers(temperature)
            targets = (of_captions, of_captions.T)
        positive = logits[torch.arange(len(clip_index), device=clip_index.device), clip_index]
        both, stats = self._both_directions(
            (logits, logits.T), positive, targets, clip_index, clip_index
        )
        loss, summed = self.mean_of_directions(*both)
        return loss, {**stats, **summed}

    def _both_directions(
        self,
        logits: Tuple[Tensor, Tensor],
        positive: Tensor,
        targets: Optional[Tuple[Tensor, Tensor]],
        clip_index: Tensor,
        all_index: Tensor,
    ) -> Tuple[Tuple[Tensor, Tensor], Dict[str, Tensor]]:
        """The weighted loss of captions among clips and of clips among captions, and its unweighted parts.

        Args:
            logits: the student's, [B, all U] and [U, all B]; -inf for a pair that does not count.
            positive: [B] the logit of each caption's own pair.
            targets: logits of the teachers, of the same shapes.
            clip_index, all_index: the clip of each caption of this rank, and of each of all ranks.
        """
        to_audio, to_text = logits
        captions_of_clip = torch.bincount(all_index, minlength=to_audio.shape[1])
        copies = captions_of_clip.to(positive.dtype).log()  # of a clip among the columns
        among_audio = torch.logsumexp(to_audio + copies, dim=1)  # [B]
        among_text = torch.logsumexp(to_text, dim=1)  # [U]

        # Positive pairs: a caption's own clip counts once for each of the clip's captions.
        here = torch.bincount(clip_index, minlength=len(to_text))  # a clip is on one rank
        share = here[clip_index] / captions_of_clip[all_index].to(positive.dtype).mean()
        supervised = (
            mean_of(share * (among_audio - positive)),
            mean_of(share * (among_text[clip_index] - positive)),
        )
        stats = {"supervised": sum(supervised).detach() / 2}
        weighted = [self.supervised_weight * one for one in supervised]
        if targets is not None:
            to_clips, to_captions = targets
            distilled = (
                mean_of(among_audio - _expected(to_audio, to_clips + copies)),
                mean_of((among_text - _expected(to_text, to_captions))[clip_index]),
            )
            stats["distillation"] = sum(distilled).detach() / 2
            weighted = [
                one + self.distillation_weight * other for one, other in zip(weighted, distilled)
            ]
        return (weighted[0], weighted[1]), stats

    def _of_teachers(self, temperature: Any) -> Any:
        """The teachers' temperature, given the student's; it is not trained."""
        if self.teacher_temperature is not None:
            return self.teacher_temperature
        return temperature.detach() if isinstance(temperature, Tensor) else temperature

    def _exact_temperature(self) -> Any:
        """The parameter where it is trained; otherwise the number, which float32 would round."""
        learnable = self.temperature.requires_grad
        return self.current_temperature() if learnable else self._configured_temperature


def join_teachers(vectors: Sequence[np.ndarray]) -> np.ndarray:
    """Vectors of several teachers as one, such that dot products are the means of the teachers' cosines.

    Args:
        vectors: one array [n, E] per teacher, each of a width of its own; need not be of unit length.

    Returns:
        [n, D], D the sum of the widths.
    """
    units = [rows / np.linalg.norm(rows, axis=-1, keepdims=True) for rows in vectors]
    return np.concatenate(units, axis=-1) / np.sqrt(len(units)).astype(units[0].dtype)


def _precise(rows: Optional[Tensor]) -> Optional[Tensor]:
    """In float32 at least."""
    return None if rows is None else rows.to(torch.promote_types(rows.dtype, torch.float32))


def _expected(logits: Tensor, targets: Tensor) -> Tensor:
    """The mean of each row of `logits` under the softmax of `targets`, over the pairs that count."""
    absent = torch.isneginf(logits)
    shares = targets.masked_fill(absent, -torch.inf).softmax(dim=1)
    return (shares * logits.masked_fill(absent, 0.0)).sum(dim=1)


def _between_languages(own: _Rows, all_: _Rows, temperature: Any, divisor: Any) -> Tensor:
    """Cross entropy of each caption among the captions of other languages; 0 where there are none."""
    others = own.lang_index[:, None] != all_.lang_index  # [B, all B]
    any_here = others.any(dim=1)
    any_there = (all_.lang_index[:, None] != all_.lang_index).any(dim=1)
    if not any_here.any():
        return own.text.sum() * 0.0
    others = others[any_here]
    similar = own.text[any_here] @ all_.text.T / temperature
    targets = own.teacher_text[any_here] @ all_.teacher_text.T / divisor
    targets = targets.masked_fill(~others, -torch.inf).softmax(dim=1)
    among = torch.logsumexp(similar.masked_fill(~others, -torch.inf), dim=1)
    each = among - (targets * similar).sum(dim=1)
    # the mean over the captions that have some, of all ranks
    return each.sum() / len(own.text) / any_there.to(each.dtype).mean()
