"""Contrast the pairs of a batch by what a model of pairs says of each: training of co-attention.

Legend: U distinct clips, B captions, P pairs that are scored; of this rank, where not "all U", "all B".
"""

from typing import Any, Dict, List, Tuple

import torch
from espnet2.torch_utils.device_funcs import force_gatherable
from torch import Tensor

from espnet_mlclap.models.frozen.towers import Kept, tokens_of_towers
from espnet_mlclap.models.reranker.pair_model import CoAttentionModel
from espnet_mlclap.models.tokens import Tokens, length_mask
from espnet_mlclap.models.two_tower import TwoTowerModel
from espnet_mlclap.objectives.abs_loss import AbsLoss
from espnet_mlclap.objectives.abs_objective import AbsObjective
from espnet_mlclap.objectives.gather import gather_rows, gather_tokens, joined_index, this_rank
from espnet_mlclap.utils.errors import UserError

_WHERE = "objective_conf of pair_scoring"


class PairScoringObjective(AbsObjective):
    """NT-Xent over the pairs of a batch, each scored by co-attention (Sun et al., 2024).

    All U x B pairs are scored, or with `hard_negatives` only those that the towers hold for similar: the
    reranker then learns on what it will get, and a batch of B costs B x N instead of B x B. The softmax runs
    over the pairs that are scored. With several ranks a batch is that of all of them: each gets the clips'
    tokens of the others, scores its own captions with all clips, and the scores are gathered for the loss.

    Args:
        model: towers and co-attention.
        loss: a loss that takes similarities, such as `InfoNCELoss`.
        hard_negatives: N clips for each caption and N captions for each clip, the most similar ones of the
            batch by the embeddings of the towers; 0 for all pairs. A caption's own clip is always scored.
        towers_weight: of the contrastive loss of the towers' own embeddings, which is added where the towers
            are trained: nothing else trains their projections.

    Raises:
        UserError: a model that scores no pairs, a loss that takes no similarities or compares captions with
        each other, a number below 0, or trained towers without `towers_weight`.
    """

    reported = ("loss", "loss_t2a", "loss_a2t", "pairs")

    def __init__(
        self,
        *,
        model: TwoTowerModel,
        loss: AbsLoss,
        hard_negatives: int = 0,
        towers_weight: float = 0.0,
    ):
        super().__init__(model)
        if not isinstance(model, CoAttentionModel):
            raise UserError("objective: pair_scoring needs a model of pairs: model: co_attention")
        if hard_negatives < 0 or towers_weight < 0:
            raise UserError(f"{_WHERE}: hard_negatives and towers_weight must be 0 or more")
        if model.freeze_towers == (towers_weight > 0):
            raise UserError(
                f"{_WHERE}: towers_weight: {towers_weight} with model_conf: {{freeze_towers: "
                f"{str(model.freeze_towers).lower()}}}. Towers that are trained need a weight above 0, "
                "frozen ones 0."
            )
        if type(loss).of_similarities is AbsLoss.of_similarities:
            raise UserError(
                f"loss: {type(loss).__name__} needs embeddings, and objective: pair_scoring has scores of "
                "pairs. Take infonce or infonce_same_words."
            )
        if loss.between_languages:
            raise UserError(
                "loss_conf: language_weight compares captions with captions, and objective: pair_scoring "
                "scores captions with clips. Set it to 0."
            )
        self.loss = loss
        self.hard_negatives = hard_negatives
        self.towers_weight = towers_weight
        self._tokens_given = False

    def take_kept(self) -> Dict[str, Kept]:
        """From now on batches hold the tokens of clips and captions, [items, t, D]."""
        if not self.model.freeze_towers:
            raise UserError(
                "token_store: keeps tokens of frozen towers. Leave it out, or set model_conf: "
                "{freeze_towers: true}."
            )
        self._tokens_given = True
        return tokens_of_towers(self.model)

    def _tokens(self, audio: Tensor, audio_lengths: Tensor, text: Tensor, text_lengths: Tensor):
        if not self._tokens_given:
            return (
                self.model.audio_tokens(audio, audio_lengths),
                self.model.text_tokens(text, text_lengths),
            )
        return (
            Tokens(audio, length_mask(audio_lengths, audio.shape[1])),
            Tokens(text, length_mask(text_lengths, text.shape[1])),
        )

    @property
    def needs(self) -> Tuple[str, ...]:
        return self.loss.needs

    def forward(
        self,
        audio: Tensor,
        audio_lengths: Tensor,
        text: Tensor,
        text_lengths: Tensor,
        clip_index: Tensor,
        **others: Any,
    ) -> Tuple[Tensor, Dict[str, Tensor], Tensor]:
        """Loss of a batch of U distinct clips and B captions; arguments as `ContrastiveObjective.forward`."""
        needed = {name: others[name] for name in self.loss.needs}
        audio_tokens, text_tokens = self._tokens(audio, audio_lengths, text, text_lengths)
        ranks = _Ranks(len(audio), clip_index, together=self.loss.gather_across_ranks)
        scored = torch.ones(
            len(ranks.clip_index), ranks.clips, dtype=torch.bool, device=text.device
        )
        added: Any = 0.0
        if self.hard_negatives or self.towers_weight:
            embedded_audio = self.model.embed_audio_tokens(audio_tokens)
            embedded_text = self.model.embed_text_tokens(text_tokens)
            if self.hard_negatives:
                similarity = (
                    ranks.all(embedded_text.detach()) @ ranks.all(embedded_audio.detach()).T
                )
                scored = hard_pairs(similarity, ranks.clip_index, self.hard_negatives)
            if self.towers_weight:
                towers, _ = self.loss(embedded_audio, embedded_text, clip_index, **needed)
                added = self.towers_weight * towers
        scored = scored[ranks.own_captions]
        caption, clip = scored.nonzero(as_tuple=True)
        clips = self.model.prepare_audio(audio_tokens)
        scores = self.model.score_pairs(
            gather_tokens(clips) if ranks.together else clips,
            self.model.prepare_text(text_tokens),
            clip,
            caption,
        )
        matrix = scores.new_full(scored.shape, -torch.inf).index_put((caption, clip), scores)
        loss, stats = self.loss.of_similarities(
            ranks.all(matrix),
            ranks.clip_index,
            **{name: ranks.all(value) for name, value in needed.items()},
        )
        loss = loss + added
        stats.update(loss=loss.detach(), pairs=scored.sum().float())
        weight = torch.tensor(float(len(text)), device=text.device)
        return force_gatherable((loss, stats, weight), loss.device)


class _Ranks:
    """The clips and captions of a batch that the ranks train on together.

    Args:
        clips: number of them on this rank.
        clip_index: [B] which of them each caption of this rank belongs to.
        together: whether the ranks contrast together.

    Attributes:
        clips: number of all.
        clip_index: [all B] which of all clips each of all captions belongs to.
        own_captions: this rank's among all captions.
    """

    def __init__(self, clips: int, clip_index: Tensor, *, together: bool):
        self.together = together
        parts = self._parts(clip_index)
        sizes = self.all(torch.tensor([clips], device=clip_index.device)).tolist()
        self.clips = sum(sizes)
        self.clip_index = joined_index(parts, sizes)
        first = sum(len(part) for part in parts[: this_rank()]) if together else 0
        self.own_captions = slice(first, first + len(clip_index))

    def _parts(self, rows: Tensor) -> List[Tensor]:
        return gather_rows(rows) if self.together else [rows]

    def all(self, rows: Tensor) -> Tensor:
        """Rows of all ranks, with gradients."""
        return torch.cat(self._parts(rows))


def hard_pairs(similarity: Tensor, clip_index: Tensor, number: int) -> Tensor:
    """Which pairs are scored.

    Args:
        similarity: [B, U] of the towers.
        clip_index: [B] the clip of each caption.
        number: most similar clips of each caption, and captions of each clip, that are not their own.

    Returns:
        [B, U] bool: these, and the pairs that belong together.
    """
    own = torch.zeros_like(similarity, dtype=torch.bool)
    own[torch.arange(len(clip_index), device=clip_index.device), clip_index] = True
    others = similarity.masked_fill(own, -torch.inf)
    scored = own.clone()
    for dim in (0, 1):
        best = others.topk(min(number, others.shape[dim]), dim=dim).indices
        scored.scatter_(dim, best, torch.ones_like(best, dtype=torch.bool))
    return scored
