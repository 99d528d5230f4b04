"""Adam by rows, against loops over rows and against PyTorch's Adam."""

import math

import pytest
import torch

from espnet_mlclap.train.row_adam import RowAdam, row_adam
from espnet_mlclap.utils.errors import UserError

SETTINGS = {"lr": 0.1, "betas": (0.9, 0.99), "eps": 1e-8}
STEPS = [[[1, 1, 4], [0, 4]], [[4, 2]], [[5], [5], [1]]]  # ids of each backward pass of each step


def make(max_norm, **more):
    torch.manual_seed(0)
    embedding = torch.nn.Embedding(7, 3, dtype=torch.float64)
    return embedding, RowAdam(embedding, max_norm=max_norm, **{**SETTINGS, **more})


def loss_of(embedding, ids):
    """Each row has another gradient, which depends on the row itself."""
    ids = torch.tensor(ids)
    return ((embedding(ids) - ids[:, None]) ** 2).sum()


def slow_steps(weight, max_norm):
    """The same in loops over rows."""
    rows = weight.tolist()
    first, second = ([[0.0] * 3 for _ in rows] for _ in range(2))
    for step, passes in enumerate(STEPS, 1):
        gradient = {}
        for row in (row for ids in passes for row in ids):
            before = gradient.get(row, [0.0] * 3)
            gradient[row] = [g + 2 * (value - row) for g, value in zip(before, rows[row])]
        norm = math.sqrt(sum(g * g for values in gradient.values() for g in values))
        for row, values in gradient.items():
            for column, value in enumerate(values):
                value *= min(1.0, max_norm / (norm + 1e-6))
                first[row][column] += 0.1 * (value - first[row][column])
                second[row][column] += 0.01 * (value * value - second[row][column])
                size = 0.1 * math.sqrt(1 - 0.99**step) / (1 - 0.9**step)
                rows[row][column] -= (
                    size * first[row][column] / (math.sqrt(second[row][column]) + 1e-8)
                )
    return torch.tensor(rows, dtype=torch.float64)


@pytest.mark.parametrize("max_norm", [1e9, 0.5])
def test_rows_are_updated_as_loops_would_do_it(max_norm):
    embedding, optimizer = make(max_norm)
    expected = slow_steps(embedding.weight.detach(), max_norm)
    start = embedding.weight.detach().clone()
    for passes in STEPS:
        for ids in passes:
            loss_of(embedding, ids).backward()
            assert embedding.weight.grad is None  # what clips the others does not see it
        optimizer.step()
        optimizer.zero_grad()
    torch.testing.assert_close(embedding.weight.detach(), expected)
    assert torch.equal(embedding.weight[[3, 6]], start[[3, 6]])


def test_where_every_step_touches_all_rows_it_is_adam():
    embedding, optimizer = make(1e9, eps=1e-14)  # which the two add at different places
    other = torch.nn.Embedding(7, 3, _weight=embedding.weight.detach().clone())
    adam = torch.optim.Adam(other.parameters(), **{**SETTINGS, "eps": 1e-14})
    for _ in range(5):
        for one, its in ((embedding, optimizer), (other, adam)):
            its.zero_grad()
            loss_of(one, range(7)).backward()
            its.step()
    torch.testing.assert_close(embedding.weight, other.weight)


def test_gradients_that_are_not_finite_change_nothing():
    embedding, optimizer = make(1.0)
    before = embedding.weight.detach().clone()
    (embedding(torch.tensor([2])).sum() * float("nan")).backward()
    optimizer.step()
    optimizer.zero_grad()
    optimizer.step()  # without a gradient
    assert torch.equal(embedding.weight, before)


def test_where_it_does_not_work():
    embedding = torch.nn.Embedding(3, 2)
    adam = torch.optim.Adam(embedding.parameters(), lr=0.3)
    assert row_adam(embedding, adam, 1.0).defaults["lr"] == 0.3
    with pytest.raises(UserError, match="optim: adam or adamw"):
        row_adam(embedding, torch.optim.SGD(embedding.parameters(), lr=0.3), 1.0)
    for none in (None, torch.nn.Embedding(3, 2).requires_grad_(False)):
        with pytest.raises(UserError, match="no embedding of tokens that is trained"):
            row_adam(none, adam, 1.0)
