"""Gradient checkpointing: the same outputs, gradients and statistics from less that is kept."""

import copy

import pytest
import torch

from espnet_mlclap.models.audio_encoder.ced import CEDAudioEncoder
from espnet_mlclap.models.audio_encoder.sonar_speech import SonarSpeechEncoder

ENCODERS = {
    "ced": (CEDAudioEncoder, {"embed_dim": 24, "depth": 6, "num_heads": 3}),
    "sonar_speech": (
        SonarSpeechEncoder,
        {
            "model_dim": 32,
            "num_layers": 6,
            "num_heads": 4,
            "ffn_inner_dim": 48,
            "num_pooling_layers": 1,
            "dropout": 0.2,
        },
    ),
}


@pytest.fixture(params=list(ENCODERS))
def encoders(request):
    """Without and with checkpointing, of the same weights, while training."""
    cls, conf = ENCODERS[request.param]
    without, with_it = cls(**conf), cls(**conf, gradient_checkpointing=True)
    with_it.load_state_dict(without.state_dict())
    return without.train(), with_it.train()


def step(encoder):
    """Embeddings of two clips of unlike lengths, gradients, bytes kept for the backward pass."""
    kept = {}
    audio = 0.1 * torch.randn(2, 16000, generator=torch.Generator().manual_seed(1))
    audio[1, 9123:] = 0.0

    def pack(tensor):
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = (
            storage.nbytes(),
            tensor,
        )  # held, so that no address comes twice
        return tensor

    torch.manual_seed(2)
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        embeddings = encoder(audio, torch.tensor([16000, 9123])).mean()
    weights = {parameter.untyped_storage().data_ptr() for parameter in encoder.parameters()}
    size = sum(count for address, (count, _) in kept.items() if address not in weights)
    encoder.zero_grad()
    embeddings.square().sum().backward()
    gradients = {
        name.replace("_checkpoint_wrapped_module.", ""): parameter.grad
        for name, parameter in encoder.named_parameters()
        if parameter.grad is not None
    }
    return embeddings, gradients, size


def test_a_step_is_the_same_with_less_memory(encoders):
    (expected, expected_gradients, whole), (found, gradients, size) = map(step, encoders)
    assert torch.equal(found, expected)
    assert gradients.keys() == expected_gradients.keys()
    for name, gradient in gradients.items():
        torch.testing.assert_close(gradient, expected_gradients[name], msg=name)
    assert size < whole / 2
    # names, and running statistics, which count a batch once
    states, expected_states = (encoder.state_dict() for encoder in reversed(encoders))
    assert list(states) == list(expected_states)
    for name, value in states.items():
        assert torch.equal(value, expected_states[name]), name


def test_a_copy_has_blocks_of_its_own(encoders):
    copied = copy.deepcopy(encoders[1])
    with torch.no_grad():
        for parameter in encoders[1].parameters():
            parameter.zero_()
    torch.testing.assert_close(step(copied)[0], step(encoders[0])[0])


def test_embedding_is_the_same(encoders):
    audio, lengths = 0.1 * torch.randn(1, 8000), torch.tensor([8000])
    without, with_it = (encoder.eval()(audio, lengths).mean() for encoder in encoders)
    assert torch.equal(without, with_it)
