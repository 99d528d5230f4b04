import pytest
import yaml

from espnet_mlclap.language_enhancement.config import DEFAULTS, read_settings
from espnet_mlclap.language_enhancement.registry import translators
from espnet_mlclap.utils.errors import UserError


def test_the_shipped_file_is_complete():
    config = read_settings()
    settings = yaml.safe_load(DEFAULTS.read_text())
    assert config.captions_per_clip == settings["captions_per_clip"]
    assert vars(config.quality) == settings["quality"]
    for name in translators.names:
        assert vars(config.of(name)) == settings[name]


def test_later_files_and_changes_lie_over_earlier_ones(tmp_path):
    mine = tmp_path / "mine.yaml"
    mine.write_text("sonar: {beam_size: 2}\n")
    config = read_settings([mine], {"sonar": {"encoder": "e"}})
    assert (config.of("sonar").beam_size, config.of("sonar").encoder) == (2, "e")
    assert config.of("sonar").decoder == "text_sonar_basic_decoder"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "sonar: {beamsize: 2}",
            r"mine.yaml: sonar: unknown key 'beamsize'. Did you mean beam_size",
        ),
        ("qualty: {}", r"mine.yaml: unknown key 'qualty'. Did you mean quality"),
        (
            "xyz: 1",
            "unknown key 'xyz'. Known keys: captions_per_clip, sonar, .*, custom, quality",
        ),
        ("sonar: 3", "sonar: must hold"),
        ("sonar: {beam_size: two}", "sonar: beam_size: must be int, not 'two'"),
        ("sonar: {beam_size: true}", "sonar: beam_size: must be int, not True"),
        ("quality: {min_cosine: 1e-4}", "YAML needs a point"),
        ("sonar: {beam_size: 0}", "sonar: beam_size must be 1 or more"),
        ("captions_per_clip: two", "captions_per_clip must be one or all"),
        (
            "chat: {instruction: 'to {language}'}",
            "mine.yaml: chat: instruction: only {source} and {target}",
        ),
        ("chat: {timeout: -1}", "chat: timeout"),
        ("huggingface: {dtype: int4}", "huggingface: dtype"),
        ("- a", "must hold `key: value` lines, not a list"),
        ("a: [", "not YAML"),
    ],
)
def test_mistakes_are_named(tmp_path, text, message):
    mine = tmp_path / "mine.yaml"
    mine.write_text(text + "\n")
    with pytest.raises(UserError, match=message):
        read_settings([mine])


def test_a_file_may_be_based_on_another(tmp_path):
    (tmp_path / "ours.yaml").write_text("captions_per_clip: all\nsonar: {beam_size: 3}\n")
    mine = tmp_path / "mine.yaml"
    mine.write_text("base: ours.yaml\nsonar: {batch_size: 9}\n")
    config = read_settings([mine])
    assert (
        config.captions_per_clip,
        config.of("sonar").beam_size,
        config.of("sonar").batch_size,
    ) == (
        "all",
        3,
        9,
    )


def test_mistakes_of_the_command_line_and_missing_files_are_named(tmp_path):
    with pytest.raises(UserError, match="command line: captions_per_clip must be one or all"):
        read_settings([], {"captions_per_clip": "two"})
    with pytest.raises(UserError, match=r"none.yaml: cannot be read"):
        read_settings([tmp_path / "none.yaml"])
