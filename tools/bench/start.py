#!/usr/bin/env python3
"""How long the Python interface takes to start, as a multiple of `import torch` alone.

    python tools/bench/start.py [--model DIR_OR_FILE] [--runs 7] [--at_most 1.5]
    python tools/bench/start.py --also "from transformers import ClapModel"
    python tools/bench/start.py --peer CLAP/src --also "import laion_clap"     a checkout of LAION-AI/CLAP

Start means `from espnet_mlclap import MLCLAP`, loading a model and embedding one query. Seconds are CPU time
of whole processes, which other work on the machine changes less than it does the clock. The programs take
turns and the medians are compared. Of others it is the imports alone (`--also`, from the folders of `--peer`
too): their models are larger. The model is that of the mini recipe with random weights, unless --model
names one. The exit status is 1 where the ratio is above --at_most.
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Dict, List, Sequence

ROOT = Path(__file__).resolve().parents[2]
MINI = ROOT / "egs2/mini/mlclap1"

START = """
import sys
from espnet_mlclap import MLCLAP
print(MLCLAP.from_pretrained(sys.argv[1]).encode_text("a dog barks").shape)
"""
PROGRAMS: Dict[str, str] = {"import torch": "import torch", "load and query": START}


def cpu_seconds(program: str, model: Path, peers: Sequence[Path]) -> float:
    """CPU time, user and system, of a Python process that runs `program`."""
    path = [str(ROOT), *(str(peer.resolve()) for peer in peers)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path)}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [sys.executable, "-c", program, str(model)],
        check=True,
        stdout=subprocess.DEVNULL,
        env=environment,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def make_model(folder: Path) -> None:
    """Write an experiment of the mini recipe's model, untrained, without need of fairseq2."""
    import torch
    import yaml

    from espnet_mlclap.models.registry import build_model
    from espnet_mlclap.utils.config import BEST_MODEL

    config = yaml.safe_load((MINI / "conf/train.yaml").read_text(encoding="utf-8"))
    assets = MINI / "sonar_assets"
    card = yaml.safe_load((assets / "sonar_mini_encoder.yaml").read_text(encoding="utf-8"))
    config["text_encoder_conf"] = {
        "architecture": card["model_config"]["_set_"],
        "tokenizer_model": str(assets / card["tokenizer"]),
        "langs": card["tokenizer_config"]["_set_"]["langs"],
    }
    model = build_model(config)
    config["text_encoder_conf"] = model.text_encoder.export(folder)
    (folder / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    torch.save(model.state_dict(), folder / BEST_MODEL)


def main() -> None:
    """Print seconds and ratio."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path, help="experiment folder or packed file")
    parser.add_argument("--runs", type=int, default=7, help="of each program")
    parser.add_argument("--at_most", type=float, default=1.5, help="ratio that passes")
    parser.add_argument("--peer", type=Path, action="append", default=[], help="folder; repeatable")
    parser.add_argument("--also", action="append", default=[], help="statement; repeatable")
    options = parser.parse_args()
    programs = {**PROGRAMS, **{statement: statement for statement in options.also}}
    with tempfile.TemporaryDirectory() as folder:
        model = options.model
        if model is None:
            model = Path(folder)
            make_model(model)
        seconds: Dict[str, List[float]] = {name: [] for name in programs}
        for run in range(options.runs + 1):
            for name, program in programs.items():
                measured = cpu_seconds(program, model, options.peer)
                if run:  # the first one fills the cache of files
                    seconds[name].append(measured)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    torch_alone, start = (medians[name] for name in PROGRAMS)
    for name, values in seconds.items():
        print(
            f"{name:40} {medians[name]:5.2f} s CPU ({min(values):.2f}-{max(values):.2f}), "
            f"{medians[name] / torch_alone:.2f} times the first"
        )
    ratio = start / torch_alone
    passed = ratio <= options.at_most
    print(f"ratio {ratio:.2f}, {'at most' if passed else 'ABOVE'} {options.at_most}")
    sys.exit(0 if passed else 1)


if __name__ == "__main__":
    main()
