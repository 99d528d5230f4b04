"""What an encoder that was exported into an experiment computes, as far as its weights do not say it.

Settings that no weight shows: how a caption is cut into tokens, the words in front of it, the sampling rate
that a frozen encoder gets, whether it gives tokens. The fingerprint of a model leaves them out, since
libraries of recordings are named by it; what is kept of frozen towers is named by both.
"""

import hashlib
import json
from pathlib import Path
from typing import Any, Dict, Iterator, Mapping, Tuple

from espnet_mlclap.utils.registry import Registry

_WEIGHTS = (".safetensors", ".bin", ".pt", ".pth", ".onnx", ".h5", ".msgpack")
# Arguments and entries of files that say where something came from, or how fast it is made.
_WITHOUT_EFFECT = (
    "checkpoint",
    "download",
    "batch_size",
    "name_or_path",
    "_name_or_path",
    "transformers_version",
)


def settings_of_export(registry: Registry, name: str, conf: Mapping[str, Any], folder: Path) -> str:
    """A name of the settings of an encoder and its tokenizer: 32 hexadecimal digits.

    Args:
        registry: audio or text encoders.
        name: the encoder.
        conf: its settings in config.yaml, after `export`.
        folder: of the experiment, in which its files are.
    """
    described = json.dumps(_described(registry, name, conf, folder), sort_keys=True, default=str)
    return hashlib.blake2b(described.encode(), digest_size=16).hexdigest()


def _described(
    registry: Registry, name: str, conf: Mapping[str, Any], folder: Path
) -> Dict[str, Any]:
    cls = registry.get(name)
    left_out = (*cls.exported_paths, *cls.cache_paths, *_WITHOUT_EFFECT, "encoders")
    described = {key: value for key, value in conf.items() if key not in left_out}
    files = {}
    for key in cls.exported_paths:
        if conf.get(key) is not None:
            files[key] = dict(_files(folder / str(conf[key])))
    parts = [
        _described(registry, part[registry.kind], part.get(f"{registry.kind}_conf") or {}, folder)
        for part in conf.get("encoders", ())  # of a fusion
    ]
    return {"encoder": name, "conf": described, "files": files, "parts": parts}


def _files(path: Path) -> Iterator[Tuple[str, Any]]:
    """What is in a file, or in those of a folder, the weights excepted, by their names."""
    for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
        unfinished = file.name.startswith(".")  # of another process that exports the same
        if not unfinished and file.suffix not in _WEIGHTS and file.is_file():
            yield file.relative_to(path.parent).as_posix(), _content(file)


def _content(file: Path) -> Any:
    content = file.read_bytes()
    if file.suffix == ".json":
        try:
            found = json.loads(content)
        except ValueError:
            found = None
        if isinstance(found, dict):
            return {key: value for key, value in found.items() if key not in _WITHOUT_EFFECT}
    return hashlib.sha256(content).hexdigest()
