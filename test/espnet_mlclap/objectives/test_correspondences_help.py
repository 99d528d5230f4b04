"""Where captions fit several clips, learning from estimates finds more of them than one-hot targets do.

A world of ten kinds of sound: a clip holds three of them, a caption names one, and so fits a third of the
clips. Two linear towers, a second of training.
"""

import copy
from typing import NamedTuple

import pytest
import torch
from torch.nn.functional import normalize

from espnet_mlclap.objectives.correspondences import CorrespondenceLoss

KINDS, HELD, CLIPS, WIDTH = 10, 3, 400, 24


class World(NamedTuple):
    """Features of clips and captions [n, WIDTH], and [captions, clips] 1 where a caption fits a clip."""

    audio: torch.Tensor
    text: torch.Tensor
    fits: torch.Tensor


def world(seed, clips):
    sounds, words = (
        torch.randn(KINDS, WIDTH, generator=torch.Generator().manual_seed(side)) for side in (0, 1)
    )
    generator = torch.Generator().manual_seed(seed)
    held = torch.stack([torch.randperm(KINDS, generator=generator)[:HELD] for _ in range(clips)])
    named = held[:, 0]
    holds = torch.zeros(clips, KINDS).scatter_(1, held, 1.0)
    noise = torch.randn(2, clips, WIDTH, generator=generator)
    return World(holds @ sounds + 1.5 * noise[0], words[named] + 0.7 * noise[1], holds.T[named])


class Towers(torch.nn.Module):
    def __init__(self, seed):
        super().__init__()
        torch.manual_seed(seed)
        self.audio, self.text = torch.nn.Linear(WIDTH, 16), torch.nn.Linear(WIDTH, 16)

    def forward(self, data):
        return normalize(self.audio(data.audio), dim=-1), normalize(self.text(data.text), dim=-1)


def train(towers, data, loss, teachers=None, seed=0):
    towers = copy.deepcopy(towers)
    optimiser = torch.optim.Adam(towers.parameters(), lr=0.01)
    generator = torch.Generator().manual_seed(seed)
    for _ in range(150):
        rows = torch.randperm(CLIPS, generator=generator)[:50]
        given = {name: tensor[rows] for name, tensor in (teachers or {}).items()}
        batch = World(data.audio[rows], data.text[rows], data.fits)
        value, _ = loss(*towers(batch), torch.arange(len(rows)), **given)
        optimiser.zero_grad()
        value.backward()
        optimiser.step()
    return towers


@torch.no_grad()
def estimates(*models, data):
    both = [model(data) for model in models]
    count = len(models) ** 0.5
    return {
        "teacher_audio": torch.cat([audio for audio, _ in both], dim=1) / count,
        "teacher_text": torch.cat([text for _, text in both], dim=1) / count,
    }


@torch.no_grad()
def mean_average_precision(towers, data):
    """Per cent, all clips that a caption fits counted."""
    audio, text = towers(data)
    found = data.fits.gather(1, (text @ audio.T).argsort(dim=1, descending=True))
    precision = found.cumsum(1) / torch.arange(1, found.shape[1] + 1)
    return 100 * float(((precision * found).sum(1) / found.sum(1)).mean())


@pytest.fixture(scope="module")
def trained():
    """Figures of students that start from one model, by what they learn from."""
    data, test = world(5, CLIPS), world(6, 300)
    one_hot = CorrespondenceLoss(supervised_weight=1.0, distillation_weight=0.0)
    start, *others = (train(Towers(seed), data, one_hot, seed=seed) for seed in range(3))
    truth = {"teacher_audio": torch.eye(CLIPS), "teacher_text": data.fits}
    learnt = {
        "stage 1": start,
        "longer": train(start, data, one_hot, seed=9),
        "itself": train(start, data, CorrespondenceLoss(), estimates(start, data=data), seed=9),
        "three": train(
            start, data, CorrespondenceLoss(), estimates(start, *others, data=data), seed=9
        ),
        "truth": train(start, data, CorrespondenceLoss(), truth, seed=9),
    }
    return {name: mean_average_precision(model, test) for name, model in learnt.items()}


def test_an_ensemble_helps_and_more_training_does_not(trained):
    assert trained["three"] > trained["stage 1"] + 1
    assert trained["three"] > trained["longer"] + 1


def test_right_estimates_help_most(trained):
    assert trained["truth"] > trained["three"] + 5


def test_what_a_model_estimates_itself_moves_it_by_nothing_but_noise(trained):
    """Its own estimates, at its own temperature, from its own weights; there is no dropout here."""
    assert trained["itself"] == pytest.approx(trained["stage 1"], abs=0.5)
