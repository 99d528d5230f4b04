"""A model's fingerprint follows from what it computes, and from nothing else."""

import copy

import torch

from espnet_mlclap.models.fingerprint import fingerprint
from espnet_mlclap.models.frozen.encoder import FrozenEncoder


class Model(torch.nn.Module):
    def __init__(self, heads=2, options=None):
        super().__init__()
        self.heads, self.of_this_version = heads, 1
        self.encoder = FrozenEncoder("json:JSONDecoder", options, "here")
        self.first, self.second = torch.nn.Linear(4, 4), torch.nn.Linear(4, 4)


def test_it_is_the_same_for_the_same_content():
    model = Model()
    name = fingerprint(model)
    assert len(name) == 32
    assert int(name, 16)
    assert fingerprint(copy.deepcopy(model)) == name
    assert fingerprint(model.eval()) == name
    other = Model()
    assert fingerprint(other) != name
    other.load_state_dict(model.state_dict())
    other.of_this_version = 2
    assert fingerprint(other) == name


def test_anything_that_changes_what_it_computes_changes_it():
    model = Model()
    states = model.state_dict()
    names = {fingerprint(model)}
    for other in (Model(heads=4), Model(options={"strict": False})):
        other.load_state_dict(states)
        names.add(fingerprint(other))
    with torch.no_grad():
        model.second.bias[0] += 1e-6
    names.add(fingerprint(model))
    model.load_state_dict(states)
    model.first, model.second = model.second, model.first
    names.add(fingerprint(model))
    names.add(fingerprint(model.to(torch.float64)))
    assert len(names) == 6
