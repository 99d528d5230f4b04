"""The learning rate by the formula worked by hand, and after resuming."""

import math

import pytest
import torch

from espnet_mlclap.train.warmup_cosine import WarmupCosineLR
from espnet_mlclap.utils.errors import UserError


def make(epochs=5, **options):
    """A schedule of epochs of four steps."""
    optimizer = torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))], lr=0.5)
    scheduler = WarmupCosineLR(optimizer, **options)
    scheduler.set_steps(lambda count: 4 * count, epochs)
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


def test_by_epochs_down_to_a_floor_before_the_end():
    """As Primus et al. do it: one epoch of warm-up, the floor from some epoch on."""
    values = rates(*make(warmup_epochs=1, final_ratio=0.01, final_epoch=3), 20)
    same = rates(*make(epochs=3, warmup_steps=4, final_ratio=0.01), 12)
    assert values[:12] == pytest.approx(same)
    assert values[12:] == pytest.approx([0.005] * 8)


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
    with pytest.raises(RuntimeError, match="set_steps"):
        scheduler.step()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"warmup_steps": -1}, "must be 0 or more"),
        ({"final_ratio": 1.5}, "in \\[0, 1\\]"),
        ({"warmup_steps": 4, "warmup_epochs": 1}, "not both"),
        ({"warmup_epochs": 2, "final_epoch": 2}, "after the warm-up"),
    ],
)
def test_bad_settings(options, message):
    with pytest.raises(UserError, match=message):
        make(**options)
