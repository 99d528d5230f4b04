"""A translator of a user's own: one class in a module of theirs, named on the command line."""

import pytest

from espnet_mlclap.bin.translate import main
from espnet_mlclap.fileio.data_dir import read_captions
from espnet_mlclap.language_enhancement.registry import translators

MODULE = """
from dataclasses import dataclass

from espnet_mlclap.language_enhancement.abs_translator import AbsTranslator


@dataclass(frozen=True)
class Settings:
    batch_size: int
    mark: str


class Marker(AbsTranslator):
    settings_class = Settings
    on_device = False

    def __init__(self, settings, device="cpu"):
        self.settings = settings

    @classmethod
    def identity(cls, settings):
        return {"translator": "marker", "mark": settings.mark}

    def translate(self, sentences, source_lang, target_lang):
        assert len(sentences) <= self.settings.batch_size
        return [f"{word}{self.settings.mark} {target_lang}" for word in sentences]
"""


@pytest.fixture
def command(tmp_path, monkeypatch, make_data_dir):
    """Arguments that translate three captions with `Marker`; settings in mine.yaml."""
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "marking.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path / "own")
    rows = [(f"c{n}-eng_Latn-1", f"c{n}", "eng_Latn", f"rain {n}") for n in range(3)]
    config = tmp_path / "mine.yaml"
    config.write_text("custom: {batch_size: 2, mark: '!'}\nquality: {filter: false}\n")
    out = tmp_path / "out"
    options = ["--data_dir", str(make_data_dir(rows)), "--out_dir", str(out), "--langs", "fra_Latn"]
    return [*options, "--translator", "marking:Marker", "--config", str(config)], out, config


@pytest.mark.parametrize("nj", [1, 2])
def test_a_class_from_outside_translates(command, nj):
    options, out, _ = command
    main([*options, "--nj", str(nj)])
    made = {caption.text for caption in read_captions(out).values()}
    assert made == {f"rain {n}! fra_Latn" for n in range(3)}
    assert '`marker` (mark "!")' in (out / "README").read_text()


def test_its_settings_are_checked(command, capsys):
    options, _, config = command
    for text, message in {
        "custom: {batch_size: 2, marks: x}": "custom (marking:Marker): unknown key 'marks'",
        "custom: {batch_size: 2}": "custom (marking:Marker): the key 'mark' is missing",
        "custom: {batch_size: two, mark: x}": "custom (marking:Marker): batch_size: must be int",
    }.items():
        config.write_text(text)
        with pytest.raises(SystemExit):
            main(options)
        assert message in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main([*options, "--translator", "marking:Settings"])
    assert "must be a subclass of" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main([*options, "--translator", "sonnar"])
    assert "translator: there is no 'sonnar'" in capsys.readouterr().err


def test_every_built_in_translator_loads_and_has_settings():
    for name in translators.names:
        assert "batch_size" in translators.get(name).settings_class.__dataclass_fields__
