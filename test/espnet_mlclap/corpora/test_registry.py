"""Corpora by name and by dotted path, from the command line to what they are asked."""

import sys

import pytest

from espnet_mlclap.bin import download_corpus, prepare_corpus
from espnet_mlclap.corpora.registry import corpora, named_in

OUTSIDE = """
from espnet_mlclap.corpora.abs_corpus import AbsCorpus

class Bells(AbsCorpus):
    parts = ("small", "large")
    caption_files = "bells.csv"
    asked = []

    def download(self, options):
        self.asked.append((options.out_dir, options.parts))

    def add_prepare_options(self, parser):
        parser.add_argument("--tower")

    def prepare(self, options):
        self.asked.append((options.captions_dir, options.audio_dir, options.out_dir, options.tower))
"""


@pytest.fixture
def bells(tmp_path, monkeypatch):
    (tmp_path / "my_bells.py").write_text(OUTSIDE)
    monkeypatch.syspath_prepend(tmp_path)
    yield "my_bells:Bells"
    sys.modules.pop("my_bells", None)


def test_every_corpus_has_help_in_both_commands(capsys):
    for command in (download_corpus, prepare_corpus):
        with pytest.raises(SystemExit):
            command.main(["--help"])
        text = capsys.readouterr().out
        assert all(f"\n    {name}" in text for name in corpora.names)
        for name in corpora.names:
            with pytest.raises(SystemExit) as end:
                command.main([name, "--help"])
            assert end.value.code == 0


def test_a_corpus_from_outside(bells):
    download_corpus.main([bells, "--out_dir", "x"])
    download_corpus.main([bells, "--out_dir", "x", "--parts", "large"])
    prepare_corpus.main([bells, "--captions_dir", "c", "--audio_dir", "a", "--tower", "t"])
    from my_bells import Bells

    assert Bells.asked == [("x", ["small", "large"]), ("x", ["large"]), ("c", "a", "data", "t")]


def test_mistakes(bells, capsys):
    for arguments, message in (
        ([bells, "--out_dir", "x", "--parts", "huge"], "--parts huge: must be of small, large."),
        (["my_bells:Gongs", "--out_dir", "x"], "my_bells has no 'Gongs'"),
        (["clothe", "--out_dir", "x"], "invalid choice: 'clothe'"),
    ):
        with pytest.raises(SystemExit) as end:
            download_corpus.main(arguments)
        assert end.value.code
        assert message in capsys.readouterr().err


def test_only_the_named_corpus_is_imported():
    assert named_in(["clotho", "--help"]) == ("clotho",)
    assert named_in(["--help"]) == named_in([]) == corpora.names
