import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from espnet_mlclap.language_enhancement.abs_translator import AbsTranslator
from espnet_mlclap.language_enhancement.batches import make_batches, translate_all, translate_batch
from espnet_mlclap.language_enhancement.journal import Journal
from espnet_mlclap.utils.errors import UserError
from espnet_mlclap.utils.shard import Shard, all_shards


class Upper(AbsTranslator):
    """Writes sentences in capitals, and keeps what it was given; fails after some batches."""

    def __init__(self, settings=None, device="cpu", good_batches=10**9):
        self.batches = []
        self.good_batches = good_batches

    def translate(self, sentences, source_lang, target_lang):
        if len(self.batches) == self.good_batches:
            raise UserError("the server is gone")
        self.batches.append((source_lang, target_lang, list(sentences)))
        return [f"{target_lang} {sentence.upper()}" for sentence in sentences]

    @classmethod
    def identity(cls, settings):
        return {"translator": "upper"}


def run(translator, requests, path, **options):
    with Journal(path, translator.identity(None)) as journal:
        return translate_all(
            requests, lambda process: translator, journal, **{"batch_size": 4, "nj": 1, **options}
        )


def requests_for(texts):
    """Every sentence into two languages, one of them twice, in disorder."""
    requests = [("eng_Latn", lang, text) for text in texts for lang in ("fra_Latn", "zho_Hans")]
    requests += requests[::3]
    random.Random(0).shuffle(requests)
    return requests


def test_each_distinct_sentence_goes_to_the_translator_once(tmp_path, sentences):
    texts = sentences(30)
    translator = Upper()
    done = run(translator, requests_for(texts), tmp_path / "j")
    assert done == {
        ("eng_Latn", lang, text): f"{lang} {text.upper()}"
        for text in texts
        for lang in ("fra_Latn", "zho_Hans")
    }
    given = [(target, text) for _, target, batch in translator.batches for text in batch]
    assert len(given) == len(set(given)) == 60
    assert max(len(batch) for _, _, batch in translator.batches) == 4


def test_batches_depend_on_the_set_of_requests_alone_and_hold_like_lengths(sentences):
    requests = requests_for(sentences(30))
    batches = make_batches(requests, 4)
    assert batches == make_batches(sorted(set(requests)), 4)
    lengths = [
        len(s) for batch in batches if batch.target_lang == "fra_Latn" for s in batch.sentences
    ]
    assert lengths == sorted(lengths)


def test_a_run_that_broke_off_goes_on_where_it_was(tmp_path, sentences):
    requests = requests_for(sentences(30))
    whole = Upper()
    expected = run(whole, requests, tmp_path / "whole")
    first = Upper(good_batches=5)
    with pytest.raises(UserError, match="gone"):
        run(first, requests, tmp_path / "j")
    second = Upper()
    assert run(second, requests, tmp_path / "j") == expected
    assert first.batches + second.batches == whole.batches
    third = Upper(good_batches=0)
    assert run(third, requests, tmp_path / "j") == expected


def test_what_failed_is_asked_for_again(tmp_path):
    class Down(Upper):
        def translate(self, sentences, source_lang, target_lang):
            return ["" for _ in sentences]

    request = ("eng_Latn", "fra_Latn", "a dog")
    assert run(Down(), [request], tmp_path / "j") == {request: ""}
    assert run(Upper(), [request], tmp_path / "j") == {request: "fra_Latn A DOG"}


PARENT = """
import os, sys, time
from pathlib import Path
from espnet_mlclap.language_enhancement.batches import translate_all
from espnet_mlclap.language_enhancement.journal import Journal

class Slow:
    def translate(self, sentences, source_lang, target_lang):
        Path(sys.argv[1], str(os.getpid())).touch()
        time.sleep(60)

def factory(process):
    return Slow()

if __name__ == "__main__":
    with Journal(Path(sys.argv[1]).parent / "j", {}) as journal:
        requests = [("eng_Latn", "fra_Latn", str(n)) for n in range(9)]
        translate_all(requests, factory, journal, batch_size=1, nj=2)
"""


@pytest.mark.parametrize("signal", ["terminate", "kill"])
def test_killing_the_parent_ends_the_processes(tmp_path, signal):
    (tmp_path / "parent.py").write_text(PARENT)
    pids = tmp_path / "pids"
    pids.mkdir()
    parent = subprocess.Popen([sys.executable, str(tmp_path / "parent.py"), str(pids)])
    end = time.monotonic() + 60
    while len(list(pids.iterdir())) < 2 and time.monotonic() < end:
        time.sleep(0.05)
    workers = [Path("/proc") / path.name for path in pids.iterdir()]
    assert len(workers) == 2
    assert all(worker.exists() for worker in workers)
    getattr(parent, signal)()
    parent.wait()
    end = time.monotonic() + 10
    while any(worker.exists() for worker in workers) and time.monotonic() < end:
        time.sleep(0.05)
    assert not any(worker.exists() for worker in workers)


def test_a_new_language_is_translated_alone(tmp_path, sentences):
    requests = requests_for(sentences(10))
    run(Upper(), requests, tmp_path / "j")
    translator = Upper()
    more = [("eng_Latn", "deu_Latn", text) for _, _, text in requests]
    run(translator, requests + more, tmp_path / "j")
    assert {target for _, target, _ in translator.batches} == {"deu_Latn"}


def test_translations_are_one_line_each_and_as_many_as_the_sentences():
    class Odd(Upper):
        def translate(self, sentences, source_lang, target_lang):
            return ["two\nlines  and\ttabs "] * 2

    (batch,) = make_batches([("eng_Latn", "fra_Latn", text) for text in ("a", "b")], 9)
    assert translate_batch(Odd(), batch) == ["two lines and tabs"] * 2
    (single,) = make_batches([("eng_Latn", "fra_Latn", "a")], 9)
    with pytest.raises(ValueError, match="Odd gave 2 translations of 1"):
        translate_batch(Odd(), single)


def run_share(translator, requests, path, shard):
    with Journal(path, translator.identity(None), shard=shard) as journal:
        translate_all(
            requests, lambda process: translator, journal, batch_size=4, nj=1, shard=shard
        )


def test_shares_translate_all_batches_once_and_are_read_together(tmp_path, sentences):
    requests = requests_for(sentences(30))
    translator, alone = Upper(), Upper()
    for shard in all_shards(3):
        run_share(translator, requests, tmp_path / "j", shard)
    expected = run(alone, requests, tmp_path / "alone")
    assert sorted(translator.batches) == sorted(alone.batches)
    assert len({id(batch) for batch in translator.batches}) == len(alone.batches)
    assert run(Upper(good_batches=0), requests, tmp_path / "j") == expected


def test_a_share_goes_on_after_a_kill_and_the_whole_translates_what_is_missing(tmp_path, sentences):
    requests = requests_for(sentences(30))
    with pytest.raises(UserError, match="gone"):
        run_share(Upper(good_batches=2), requests, tmp_path / "j", Shard(0, 2))
    goes_on = Upper()
    run_share(goes_on, requests, tmp_path / "j", Shard(0, 2))
    rest = Upper()
    run(rest, requests, tmp_path / "j")
    assert [len(one.batches) for one in (goes_on, rest)] == [6, 8]
