"""Write encoder, decoder and tokenizer as fairseq2 assets."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
import yaml

from espnet_mlclap.utils.atomic import atomic_open


def asset_files(folder: Path, name: str) -> dict[str, Path]:
    """The files of the assets `<name>_encoder` and `<name>_decoder`."""
    return {
        "tokenizer": folder / f"{name}_sentencepiece.model",
        "encoder": folder / f"{name}_encoder.pt",
        "decoder": folder / f"{name}_decoder.pt",
        "encoder card": folder / f"{name}_encoder.yaml",
        "decoder card": folder / f"{name}_decoder.yaml",
    }


def half_precision(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    """The state dict in 16-bit floats; tensors that are one stay one."""
    halves: dict[int, torch.Tensor] = {}
    return {
        key: halves.setdefault(tensor.data_ptr(), tensor.detach().half())
        for key, tensor in module.state_dict().items()
    }


def write_checkpoint(path: Path, model: torch.nn.Module) -> None:
    """Write the weights as a plain state dict."""
    with atomic_open(path, "wb") as file:
        torch.save(half_precision(model), file)


def write_card(files: dict[str, Path], kind: str, config: Any, langs: list[str]) -> None:
    """Write the asset card of the "encoder" or "decoder" with the configuration `config`."""
    fields = asdict(config)
    # fairseq2's own defaults for tokens that SONAR does not use
    fields["vocab_info"] = {
        key: value for key, value in fields["vocab_info"].items() if value is not None
    }
    card = {
        "name": files[f"{kind} card"].stem,
        "model_family": f"transformer_{kind}",
        "model_arch": "basic",
        "model_config": {"_set_": {key: v for key, v in fields.items() if v is not None}},
        "checkpoint": files[kind].name,
        "tokenizer": files["tokenizer"].name,
        "tokenizer_family": "nllb",
        "tokenizer_config": {"_set_": {"default_lang": langs[0], "langs": langs}},
    }
    with atomic_open(files[f"{kind} card"]) as file:
        file.write("# Made by local/make_small_sonar.py; see README.md beside.\n")
        yaml.safe_dump(card, file, sort_keys=False)
