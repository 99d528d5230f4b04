"""A model that many clients ask at once."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from espnet_mlclap.inference import MLCLAP
from espnet_mlclap.search.server import shared_model
from espnet_mlclap.search.server.shared_model import SharedModel
from espnet_mlclap.utils.errors import UserError

LANGS = ("eng_Latn", "jpn_Jpan")


class Counting:
    """Stands for a model: a vector for each text, and a note of what was asked together."""

    embed_size = 2

    def __init__(self):
        self.asked, self.first, self.go = [], threading.Event(), threading.Event()

    def encode_text(self, captions, lang):
        self.asked.append(list(zip(captions, lang)))
        self.first.set()
        assert self.go.wait(30)
        if not {*lang} <= {*LANGS}:
            raise UserError("unknown language")
        return np.array(
            [[int(caption), LANGS.index(code)] for caption, code in zip(captions, lang)]
        )


def test_texts_that_come_together_are_embedded_together():
    model = Counting()
    shared = SharedModel(model)
    with ThreadPoolExecutor(9) as pool:
        first = pool.submit(shared.encode_text, ["0"], "eng_Latn")
        assert model.first.wait(30)
        more = [
            pool.submit(shared.encode_text, [str(n), str(10 * n)], LANGS[n % 2])
            for n in range(1, 8)
        ]
        wrong = pool.submit(shared.encode_text, ["9"], "xxx_Xxxx")
        while len(shared._embed._waiting) < 8:
            pass
        model.go.set()
        assert first.result().tolist() == [[0, 0]]
        for n, one in enumerate(more, 1):
            assert one.result().tolist() == [[n, n % 2], [10 * n, n % 2]]
        with pytest.raises(UserError, match="unknown language"):
            wrong.result()
    assert len(model.asked[1]) == 15, "seven questions of two texts, and the wrong one"


def test_texts_are_remembered(monkeypatch):
    monkeypatch.setattr(shared_model, "_REMEMBERED", 3)
    model = Counting()
    model.go.set()
    shared = SharedModel(model)

    def asked(text, lang="eng_Latn"):
        """How many texts that takes of the model."""
        before = sum(map(len, model.asked))
        assert shared.encode_text([text], lang).tolist() == [[int(text), LANGS.index(lang)]]
        return sum(map(len, model.asked)) - before

    assert [asked("1"), asked("1"), asked("1", "jpn_Jpan"), asked("2"), asked("1")] == [
        1,
        0,
        1,
        1,
        0,
    ]
    assert [asked("3"), asked("1", "jpn_Jpan"), asked("1")] == [1, 1, 0], "the oldest is forgotten"
    assert shared.encode_text(["1", "7", "1"], "eng_Latn")[:, 0].tolist() == [1, 7, 1]
    assert len(model.asked[-1]) == 1


def test_a_real_model_gives_the_same_in_company(experiment):
    """But for rounding: a batch of another size may change the last bits."""
    model = MLCLAP.from_pretrained(experiment)
    shared = SharedModel(model)
    texts = [(f"{'a dog barks ' * (n % 7)}{n}", ("eng_Latn", "deu_Latn")[n % 2]) for n in range(40)]
    with ThreadPoolExecutor(20) as pool:
        together = list(pool.map(lambda one: shared.encode_text([one[0]], one[1])[0], texts))
    alone = [model.encode_text([text], lang)[0] for text, lang in texts]
    np.testing.assert_allclose(together, alone, atol=1e-6)
