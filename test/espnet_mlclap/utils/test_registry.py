"""Classes by name and by dotted path, and the mistakes that can be made in naming them."""

import subprocess
import sys

import pytest

from espnet_mlclap.utils.errors import UserError
from espnet_mlclap.utils.registry import Registry

ENTRIES = {"ordered": "collections:OrderedDict", "counter": "collections:Counter"}
REGISTRY = Registry("mapping", ENTRIES, base="builtins:dict")


def test_built_in_names_and_dotted_paths(tmp_path, monkeypatch):
    import collections

    (tmp_path / "own_mapping.py").write_text(
        "class Mine(dict): pass\nnumber = 1\nclass Other: pass\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert REGISTRY.get("ordered") is collections.OrderedDict
    assert REGISTRY.names == ("ordered", "counter")
    assert REGISTRY.get("own_mapping:Mine").__name__ == "Mine"
    assert REGISTRY.is_custom("own_mapping:Mine")
    assert not REGISTRY.is_custom("ordered")
    for path, message in {
        "orderd": "there is no 'orderd'; choose one of ordered, counter, .* Did you mean ordered?",
        "own_mapping:Nothing": "own_mapping has no 'Nothing'",
        "own_mapping:number": "must be a subclass of builtins:dict",
        "own_mapping:Other": "must be a subclass of builtins:dict",
        "nowhere_at_all:Mine": "nowhere_at_all cannot be imported .* on PYTHONPATH",
    }.items():
        with pytest.raises(UserError, match=f"^mapping: .*{message}"):
            REGISTRY.get(path)


def test_a_registry_loads_what_is_asked_for_alone():
    code = (
        "import sys; from espnet_mlclap.models.registry import text_encoders; "
        "sys.exit('transformers' in sys.modules or 'espnet_mlclap.models.text_encoder.sonar' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
