import math

import pytest
import torch

from espnet_mlclap.language_enhancement.beam_search import _margins, beam_search
from espnet_mlclap.language_enhancement.sonar_encoder import SonarEncoder, load_asset
from espnet_mlclap.utils.errors import UserError


def test_greedy_search_and_its_margin_against_a_loop(tiny_sonar, sentences):
    """Every step decodes the whole prefix anew, one sentence at a time."""
    from fairseq2.nn import BatchLayout

    encoder = SonarEncoder(
        tiny_sonar[0], device="cpu", dtype="float32", batch_size=9, batch_tokens=999
    )
    decoder, _ = load_asset(tiny_sonar[1], "cpu", "float32")
    embeddings = torch.from_numpy(encoder.embed(sentences(6), "eng_Latn"))
    prompt, eos, pad, most = [3, 92], 3, 0, 10
    found = beam_search(decoder, embeddings, prompt, eos=eos, pad=pad, beam_size=1, max_tokens=most)
    for embedding, hypothesis in zip(embeddings, found):
        tokens, margin, total = list(prompt), math.inf, 0.0
        with torch.inference_mode():
            while True:
                sequence, memory = torch.tensor([tokens]), embedding[None, None]
                output = decoder.decode(
                    sequence, BatchLayout.of(sequence), memory, BatchLayout.of(memory)
                )
                log_probs = decoder.project(output)[0].log_softmax(-1)
                if len(tokens) == len(prompt):
                    total += float(log_probs[0, prompt[1]])
                last = log_probs[-1]
                last[pad] = -math.inf
                if len(tokens) == len(prompt) + most - 1:
                    total += float(last[eos])
                    break
                best = last.topk(2)
                margin = min(margin, float(best.values[0] - best.values[1]))
                total += float(best.values[0])
                if best.indices[0] == eos:
                    break
                tokens.append(int(best.indices[0]))
        assert hypothesis.tokens == tokens[len(prompt) :]
        assert abs(hypothesis.margin - margin) < 1e-4
        assert abs(hypothesis.score - total / len(tokens)) < 1e-4


def test_overflow_is_named(tiny_sonar):
    decoder, _ = load_asset(tiny_sonar[1], "cpu", "float32")
    options = {"eos": 3, "pad": 0, "beam_size": 2, "max_tokens": 5}
    with pytest.raises(UserError, match="produced NaN.*dtype: float32"):
        beam_search(decoder, torch.full((1, 16), math.nan), [3, 92], **options)


def test_margin_counts_only_decisions_that_matter():
    # beam 2: candidates 0 and 1 go on, 2 is dropped
    scores = torch.tensor([[-1.0, -1.001, -1.5, -1.5001, -2.0]])
    none = torch.zeros(1, 5, dtype=torch.bool)
    last_kept = torch.tensor([1])
    assert math.isclose(float(_margins(scores, none, last_kept)), 0.499, abs_tol=1e-5)
    # the end of sentence stands first: 1 and 2 go on, and 2 nearly ties with 3
    ends = torch.tensor([[True, False, False, False, False]])
    margin = float(_margins(scores, ends, torch.tensor([2])))
    assert math.isclose(margin, 0.0001, abs_tol=1e-6)
    # nothing but the forced end of sentence has a probability
    forced = torch.tensor([[-1.0, -3.0, -math.inf, -math.inf, -math.inf]])
    ends = torch.tensor([[True, True, False, False, False]])
    assert float(_margins(forced, ends, torch.tensor([3]))) == 2.0
