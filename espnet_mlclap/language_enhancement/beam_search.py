"""Beam search over a SONAR text decoder, whose result does not depend on the batch.

The search is fairseq2's `BeamSearchSeq2SeqGenerator` (of each step's best 2 x beam candidates those that
end within the first `beam` become hypotheses, the first `beam` others go on; a sentence is finished with
`beam` hypotheses; scores are divided by the length), done for all sentences of a batch at once in place of
one by one. It adds what fairseq2 does not tell: by how little the search was decided. Floating-point sums
depend on the batch in their last bits, so two candidates that nearly tie may change places when the batch
changes; sentences with such a near tie can be searched again in double precision.

Letters in shapes: n sentences still searched, b beam, v vocabulary, d width of the embedding.
"""

import functools
import math
from dataclasses import dataclass
from typing import List, Sequence

import torch
from torch import Tensor

from espnet_mlclap.utils.errors import UserError


@dataclass
class Hypothesis:
    """The best translation of one sentence.

    Attributes:
        tokens: token ids without the prompt and without the end of sentence.
        score: log-probability divided by the length.
        margin: the smallest difference in log-probability by which a candidate was kept or dropped.
    """

    tokens: List[int]
    score: float = -math.inf
    margin: float = math.inf


@torch.inference_mode()
def beam_search(
    decoder: torch.nn.Module,
    embeddings: Tensor,
    prompt: Sequence[int],
    *,
    eos: int,
    pad: int,
    beam_size: int,
    max_tokens: int,
) -> List[Hypothesis]:
    """Decode sentence embeddings into tokens.

    Args:
        decoder: sonar-space's `ConditionalTransformerDecoderModel`.
        embeddings: [n, d] sentence embeddings.
        prompt: token ids that every translation starts with (end of sentence, language).
        eos: id of the end of sentence.
        pad: id that is never produced.
        beam_size: candidates kept at each step; 1 is greedy search.
        max_tokens: longest translation, the end of sentence counted; the decoder's own limit holds too.

    Returns:
        The best hypothesis of each sentence.

    Raises:
        UserError: the decoder produced NaN (half precision that overflowed).
    """
    state = _SearchState(decoder, embeddings, prompt, beam_size)
    results = [Hypothesis([]) for _ in range(len(embeddings))]
    finished = [0] * len(embeddings)
    limit = min(decoder.max_target_seq_len, len(prompt) + max_tokens)
    for length in range(len(prompt), limit):
        log_probs = state.next_log_probs()  # [n, b, v]
        log_probs[..., pad] = -math.inf
        if length == limit - 1:
            ending = log_probs[..., eos].clone()
            log_probs.fill_(-math.inf)
            log_probs[..., eos] = ending
        n, b, v = log_probs.shape
        candidates = log_probs.add_(state.scores[..., None]).view(n, b * v)
        # One more than is used: the first that is dropped tells how close the decision was.
        scores, flat = candidates.topk(min(2 * b + 1, b * v), dim=1)
        if scores.isnan().any():
            raise UserError(
                "the decoder produced NaN: its numbers overflowed. Set sonar: dtype: float32."
            )
        beams, tokens = flat // v, flat % v
        ends = (tokens == eos) & (scores > -math.inf)
        kept = _first_true(~ends, b)  # [n, b] positions among the candidates

        state.margins = torch.minimum(state.margins, _margins(scores, ends, kept[:, -1]))
        for row, position in ends[:, :b].nonzero().tolist():
            sentence = state.sentences[row]
            if finished[sentence] == b:
                continue
            finished[sentence] += 1
            score = float(scores[row, position]) / length
            best = results[sentence]
            best.margin = min(best.margin, abs(score - best.score) * length)
            if finished[sentence] == b:
                best.margin = min(best.margin, float(state.margins[row]))
            if score > best.score:
                best.score = score
                best.tokens = state.tokens[row, beams[row, position], len(prompt) :].tolist()
        going_on = [row for row, s in enumerate(state.sentences) if finished[s] < b]
        if not going_on or length == limit - 1:
            break
        state.advance(
            torch.tensor(going_on, device=scores.device),
            scores.gather(1, kept),
            beams.gather(1, kept),
            tokens.gather(1, kept),
        )
    return results


class _SearchState:
    """What is still searched.

    Attributes:
        sentences: number of each row's sentence in the batch; n rows.
        tokens: [n, b, length] prompt and what was produced.
        scores: [n, b] log-probability of each beam.
        margins: [n] smallest margin so far.
    """

    def __init__(
        self, decoder: torch.nn.Module, embeddings: Tensor, prompt: Sequence[int], beam_size: int
    ):
        from fairseq2.nn import IncrementalStateBag

        self.decoder = decoder
        self.sentences = list(range(len(embeddings)))
        device = embeddings.device
        n, b = len(embeddings), beam_size
        self.tokens = torch.tensor(list(prompt), device=device).expand(n, b, -1).clone()
        self._wide = torch.float64 if embeddings.dtype == torch.float64 else torch.float32
        # The beams start alike: only the first one counts.
        self.scores = torch.full((n, b), -math.inf, device=device, dtype=self._wide)
        self.scores[:, 0] = 0.0
        self.margins = torch.full((n,), math.inf, device=device, dtype=self._wide)
        self.memory = embeddings.repeat_interleave(b, dim=0)[:, None]  # [n * b, 1, d]
        self.bag = IncrementalStateBag(decoder.max_target_seq_len + 1)
        self._length = 1
        for token in prompt[1:]:
            # As in fairseq2, the prompt's own log-probability is part of the score.
            self.scores += self.next_log_probs()[:, 0, token, None]
            self._length += 1

    @staticmethod
    @functools.lru_cache(maxsize=64)
    def _layout(rows: int, device: torch.device):
        """Layout of `rows` sequences of length 1; making one takes longer than a small model's step."""
        from fairseq2.nn import BatchLayout

        return BatchLayout((rows, 1), None, device=device)

    def _decode(self, tokens: Tensor) -> Tensor:
        # Both are [n * b, 1, ...]: one layout serves for the tokens and for the memory.
        layout = self._layout(len(tokens), tokens.device)
        output = self.decoder.decode(tokens, layout, self.memory, layout, state_bag=self.bag)
        self.bag.increment_step_nr()
        return output

    def next_log_probs(self) -> Tensor:
        """Log-probabilities [n, b, v] of each beam's next token."""
        n, b, _ = self.tokens.shape
        output = self._decode(self.tokens[:, :, self._length - 1].reshape(n * b, 1))
        logits = self.decoder.project(output).view(n, b, -1)
        return torch.log_softmax(logits, dim=-1, dtype=self._wide)

    def advance(self, rows: Tensor, scores: Tensor, beams: Tensor, tokens: Tensor) -> None:
        """Go on with some rows of candidates; scores, beams, tokens: [n, b] of all rows."""
        b = self.tokens.shape[1]
        self.scores, beams, tokens = scores[rows], beams[rows], tokens[rows]
        self.margins = self.margins[rows]
        self._length += 1
        self.tokens = torch.cat([self.tokens[rows[:, None], beams], tokens[..., None]], dim=2)
        order = (rows[:, None] * b + beams).flatten()
        if not torch.equal(order, torch.arange(len(self.memory), device=order.device)):
            self.bag.reorder(order)
            self.memory = self.memory[order]
        self.sentences = [self.sentences[row] for row in rows.tolist()]


def _first_true(mask: Tensor, count: int) -> Tensor:
    """Positions [n, count] of the first `count` true entries of each row of mask [n, positions]."""
    return torch.argsort((~mask).to(torch.int8), dim=1, stable=True)[:, :count]


def _margins(scores: Tensor, ends: Tensor, last_kept: Tensor) -> Tensor:
    """How close each sentence's decisions of this step were.

    Only neighbours matter whose exchange would change the outcome: the last candidate kept and the
    first dropped; around the last place at which an end of sentence counts; two ends of sentence.

    Args:
        scores: [n, 2b + 1] best candidates, falling.
        ends: [n, 2b + 1] which of them end the sentence.
        last_kept: [n] position of the last one that goes on.

    Returns:
        [n] smallest difference of such neighbours.
    """
    b = (scores.shape[1] - 1) // 2
    gaps = (scores[:, :-1] - scores[:, 1:]).nan_to_num(nan=math.inf, posinf=math.inf)
    position = torch.arange(gaps.shape[1], device=scores.device)
    at_limit = (position == b - 1) & (ends[:, :-1] | ends[:, 1:])
    two_ends = (position < b) & ends[:, :-1] & ends[:, 1:]
    decisive = (position == last_kept[:, None]) | at_limit | two_ends
    return gaps.masked_fill(~decisive, math.inf).amin(dim=1)
