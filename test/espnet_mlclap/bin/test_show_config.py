"""show_config: the whole, the files that it consists of, a value."""

import pytest
import yaml

from espnet_mlclap.bin.show_config import main
from espnet_mlclap.iterators.plan_options import PlanOptions


@pytest.fixture
def config(tmp_path, monkeypatch):
    (tmp_path / "conf/tuning").mkdir(parents=True)
    (tmp_path / "conf/train.yaml").write_text(
        "optim: adam  # not a/path\nlist: [x/y, conf/words]\n"
    )
    (tmp_path / "conf/words").touch()
    (tmp_path / "conf/bert").mkdir()
    (tmp_path / "adam").mkdir()  # a word that happens to be a folder's name
    path = tmp_path / "conf/tuning/bert.yaml"
    path.write_text("base: '../train.yaml'\nle_ratio: 0.3\ntext_encoder_conf: {model: conf/bert}\n")
    monkeypatch.chdir(tmp_path)
    return "conf/tuning/bert.yaml"


def shown(capsys, *arguments):
    main(arguments)
    return capsys.readouterr().out


def test_the_whole(config, capsys):
    assert yaml.safe_load(shown(capsys, config)) == {
        "optim": "adam",
        "list": ["x/y", "conf/words"],
        "le_ratio": 0.3,
        "text_encoder_conf": {"model": "conf/bert"},
    }


def test_the_files(config, capsys, tmp_path):
    files = shown(capsys, config, "--files", "true").splitlines()
    bases = [str(tmp_path / config), str(tmp_path / "conf/train.yaml")]
    assert files == [*bases, "conf/words", "conf/bert"]


def test_a_value_and_its_default(config, capsys):
    assert shown(capsys, config, "--value", "le_ratio") == "0.3\n"
    assert shown(capsys, "conf/train.yaml", "--value", "le_ratio") == f"{PlanOptions.le_ratio}\n"
    with pytest.raises(SystemExit):
        main([config, "--value", "le_ration"])
    assert "no value 'le_ration'" in capsys.readouterr().err
