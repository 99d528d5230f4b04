import pytest
import yaml

from espnet_mlclap.language_enhancement.config import read_config
from espnet_mlclap.utils.errors import UserError


def test_the_shipped_file_is_complete(shipped_config):
    config = read_config([shipped_config])
    settings = yaml.safe_load(shipped_config.read_text())
    assert config.captions_per_clip == settings["captions_per_clip"]
    for name in ("sonar", "huggingface", "chat", "quality"):
        assert vars(getattr(config, name)) == settings[name]


def test_later_files_and_changes_lie_over_earlier_ones(shipped_config, tmp_path):
    mine = tmp_path / "mine.yaml"
    mine.write_text("sonar: {beam_size: 2, near_tie: 0}\n")
    config = read_config([shipped_config, mine], {"sonar": {"encoder": "e"}})
    assert (config.sonar.beam_size, config.sonar.near_tie, config.sonar.encoder) == (2, 0.0, "e")
    assert config.sonar.decoder == "text_sonar_basic_decoder"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "sonar: {beamsize: 2}",
            r"mine.yaml: unknown key 'sonar.beamsize'. Did you mean 'beam_size'",
        ),
        ("qualty: {}", r"mine.yaml: unknown key 'qualty'. Did you mean 'quality'"),
        ("xyz: 1", "unknown key 'xyz'. Known are captions_per_clip, sonar"),
        ("sonar: 3", "'sonar' must hold"),
        ("sonar: {beam_size: two}", "sonar.beam_size must be int, not 'two'"),
        ("sonar: {beam_size: true}", "sonar.beam_size must be int, not True"),
        ("sonar: {near_tie: 1e-4}", "YAML wants a point"),
        ("sonar: {beam_size: 0}", "sonar.beam_size must be 1 or more"),
        ("captions_per_clip: two", "captions_per_clip must be one or all"),
        ("chat: {instruction: 'to {language}'}", "chat.instruction: only {source} and {target}"),
        ("chat: {timeout: -1}", "chat.timeout"),
        ("huggingface: {dtype: int4}", "huggingface.dtype"),
        ("- a", "must hold `key: value` lines, not a list"),
        ("a: [", "not YAML"),
    ],
)
def test_mistakes_are_named(shipped_config, tmp_path, text, message):
    mine = tmp_path / "mine.yaml"
    mine.write_text(text + "\n")
    with pytest.raises(UserError, match=message):
        read_config([shipped_config, mine])


def test_missing_keys_and_files_are_named(shipped_config, tmp_path):
    part = tmp_path / "part.yaml"
    part.write_text("captions_per_clip: one\nsonar: {encoder: e}\n")
    with pytest.raises(UserError, match=r"part.yaml: the key 'sonar.decoder' is missing"):
        read_config([part])
    with pytest.raises(UserError, match=r"none.yaml: cannot be read"):
        read_config([shipped_config, tmp_path / "none.yaml"])
