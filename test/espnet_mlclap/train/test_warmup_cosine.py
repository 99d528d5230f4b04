"""The learning rate by the formula worked by hand, and after resuming."""

import math

import pytest
import torch

from espnet_mlclap.train.warmup_cosine import WarmupCosineLR
from espnet_mlclap.utils.errors import UserError


def make(total=20, **options):
    optimizer = torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))], lr=0.5)
    scheduler = WarmupCosineLR(optimizer, **options)
    scheduler.set_total_steps(total)
    return optimizer, scheduler


def rates(optimizer, scheduler, steps):
    values = []
    for _ in range(steps):
        values.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return values


def test_warm_up_and_cosine():
    values = rates(*make(warmup_steps=4), 21)
    assert values[:4] == pytest.approx([0.125, 0.25, 0.375, 0.5])
    expected = [0.25 * (1 + math.cos(math.pi * step / 16)) for step in range(17)]
    assert values[4:] == pytest.approx(expected)


def test_final_ratio():
    assert rates(*make(final_ratio=0.1), 21)[-1] == pytest.approx(0.05)


def test_resuming_goes_on_where_it_was():
    whole = rates(*make(warmup_steps=4), 15)
    optimizer, scheduler = make(warmup_steps=4)
    rates(optimizer, scheduler, 7)
    states = optimizer.state_dict(), scheduler.state_dict()
    optimizer, scheduler = make(warmup_steps=4)
    optimizer.load_state_dict(states[0])
    scheduler.load_state_dict(states[1])
    assert rates(optimizer, scheduler, 8) == pytest.approx(whole[7:])


def test_it_must_know_how_many_steps_there_are():
    optimizer = torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))], lr=0.5)
    scheduler = WarmupCosineLR(optimizer)
    optimizer.step()
    with pytest.raises(RuntimeError, match="set_total_steps"):
        scheduler.step()


def test_bad_settings():
    with pytest.raises(UserError, match="warmup_steps"):
        make(warmup_steps=-1)
