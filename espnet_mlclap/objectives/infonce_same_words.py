"""InfoNCE where the same words stand for many clips: all clips that a caption's words fit are its positives.

Legend: U distinct clips, B captions, E width of the shared space, W captions of a clip at most; with several
ranks U and B are this rank's rows, the columns are those of all ranks.
"""

from typing import Dict, Tuple

import torch
from torch import Tensor

from espnet_mlclap.objectives.abs_loss import mean_of
from espnet_mlclap.objectives.gather import gather_rows, world_size
from espnet_mlclap.objectives.infonce import InfoNCELoss


class SameWordsInfoNCELoss(InfoNCELoss):
    """Symmetric InfoNCE whose targets are spread over all pairs of the batch that belong together.

    "A dog barks." is the caption of forty clips: with one of them as the target, the loss pushes the words
    away from the other thirty-nine. Here a clip is a positive of a caption if any of the clip's captions in
    the training set, drawn in this batch or not, has the same words in the same language. Written over the
    B x B pairs of the batch (row b a caption, column c the clip of caption c) the targets of a row are spread
    evenly over its positive columns, and those of a column over its positive rows. Each clip stands once
    here, as in `InfoNCELoss`; where no two clips share words, the two are the same.

    Supervised contrastive learning (P. Khosla et al., NeurIPS 2020, eq. 2) with words instead of classes.

    Args: those of `InfoNCELoss`.

    Inputs: as `InfoNCELoss`, and `words_index` and `clip_words` of the batch.

    Example:
        >>> loss = SameWordsInfoNCELoss(temperature=0.07)
        >>> words, clips = torch.tensor([5, 5, 8]), torch.tensor([[5, -1], [5, 8]])
        >>> value, stats = loss(audio, text, torch.tensor([0, 1, 1]), words_index=words, clip_words=clips)
    """

    needs = ("words_index", "clip_words")
    takes_groups = False  # captions of one clip are told by its words

    def forward(
        self,
        audio: Tensor,
        text: Tensor,
        clip_index: Tensor,
        *,
        words_index: Tensor,
        clip_words: Tensor,
    ) -> Tuple[Tensor, Dict[str, Tensor]]:
        """Loss of a batch; see `AbsLoss.forward`.

        Args:
            words_index: [B] int64, the same number for captions of the same words.
            clip_words: [U, W] int64, such numbers of all captions of each clip, filled up with -1.
        """
        with torch.autocast(audio.device.type, enabled=False):
            audio, text = audio.float(), text.float()
            temperature = self.current_temperature()
            all_audio, all_text, all_index = audio, text, clip_index
            all_words, all_clip_words = words_index, clip_words
            if self.gather_across_ranks and world_size() > 1:
                all_audio, all_text, all_index = self.gather(audio, text, clip_index)
                all_words = torch.cat(gather_rows(words_index))
                all_clip_words = torch.cat(gather_rows(clip_words))
            captions_of_clip = torch.bincount(all_index, minlength=all_audio.shape[0]).float()

            # Captions look for clips: [B, all U]. A column counts once for each caption of its clip.
            fits = _fits(words_index, all_clip_words).float() * captions_of_clip
            to_audio = text @ all_audio.T / temperature
            own = (fits * to_audio).sum(dim=1) / fits.sum(dim=1)
            loss_t2a = mean_of(torch.logsumexp(to_audio + captions_of_clip.log(), dim=1) - own)

            # Clips look for captions: [U, all B] -> [B]. A row counts once for each of its captions.
            fits = _fits(all_words, clip_words).T.float()
            to_text = audio @ all_text.T / temperature
            own = (fits * to_text).sum(dim=1) / fits.sum(dim=1)
            loss_a2t = mean_of((torch.logsumexp(to_text, dim=1) - own)[clip_index])
            return self.summed_up(loss_t2a, loss_a2t, audio[clip_index], text)

    def of_similarities(
        self,
        similarity: Tensor,
        clip_index: Tensor,
        *,
        words_index: Tensor,
        clip_words: Tensor,
    ) -> Tuple[Tensor, Dict[str, Tensor]]:
        """Loss of the pairs that are given: `AbsLoss.of_similarities`. A caption's own pair must count."""
        logits = self.logits(similarity)
        captions_of_clip = torch.bincount(clip_index, minlength=logits.shape[1]).float()
        fits = _fits(words_index, clip_words) & torch.isfinite(logits)  # [B, U]
        positive = logits.masked_fill(~fits, 0.0)

        weight = fits * captions_of_clip
        own = (weight * positive).sum(dim=1) / weight.sum(dim=1)
        loss_t2a = (torch.logsumexp(logits + captions_of_clip.log(), dim=1) - own).mean()

        own = positive.sum(dim=0) / fits.sum(dim=0)
        loss_a2t = (torch.logsumexp(logits, dim=0) - own)[clip_index].mean()
        return self.mean_of_directions(loss_t2a, loss_a2t)


def _fits(words_index: Tensor, clip_words: Tensor) -> Tensor:
    """[captions, clips] bool: has the clip a caption of these words?"""
    return (words_index[:, None, None] == clip_words).any(dim=2)
