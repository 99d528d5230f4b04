"""The commands under one name: `mlclap search ...` is `python -m espnet_mlclap.bin.search ...`.

`mlclap --help` reads the docstrings in the commands' files and imports none of them, so that it starts as
fast as Python does.
"""

import ast
import importlib
import re
import sys
from pathlib import Path
from typing import Dict, Optional, Sequence, Tuple

import espnet_mlclap
from espnet_mlclap.utils.registry import did_you_mean

BIN = Path(__file__).with_name("bin")
# Each module in bin/ is a command and belongs to one group.
GROUPS: Dict[str, Tuple[str, ...]] = {
    "Use a model": (
        "index",
        "search",
        "serve",
        "moments",
        "demo",
        "embed",
        "pack",
        "import_checkpoint",
    ),
    "Score": ("rerank", "score", "score_moments", "zero_shot", "compare", "report"),
    "Data": (
        "download_corpus",
        "prepare_corpus",
        "prepare_audio_folder",
        "combine_data",
        "format_audio",
        "make_tables",
        "make_long_recordings",
        "check_data",
    ),
    "Train": (
        "translate",
        "train_tokenizer",
        "embed_training_set",
        "train",
        "run_experiments",
        "paper_tables",
    ),
    "Set up": ("download_weights", "download_model", "show_config", "check_environment"),
}
COMMANDS = tuple(command for commands in GROUPS.values() for command in commands)


def summary(command: str) -> str:
    """What a command does, in its docstring's words up to the first colon; read without importing it."""
    source = (BIN / f"{command}.py").read_text(encoding="utf-8")
    line = (ast.get_docstring(ast.parse(source)) or "").split("\n")[0]
    return re.split("[:;] ", line)[0].rstrip(".")


def help_text() -> str:
    """What `mlclap --help` prints: a line for each command."""
    width = max(map(len, COMMANDS))
    lines = ["usage: mlclap COMMAND ...", "", f"{espnet_mlclap.__doc__}"]
    for title, commands in GROUPS.items():
        lines += ["", f"{title}:"]
        lines += [f"  {command:{width}}  {summary(command)}" for command in commands]
    lines += ["", "`mlclap COMMAND --help` lists the options of a command."]
    return "\n".join(lines)


def main(arguments: Optional[Sequence[str]] = None) -> None:
    """Entry point: run one command; `--help` lists them."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    command, rest = (words[0], words[1:]) if words else ("", [])
    if command in ("", "-h", "--help"):
        print(help_text())
        sys.exit(0 if command else 2)
    if command == "--version":
        print(f"mlclap {espnet_mlclap.__version__}")
        sys.exit(0)
    if command not in COMMANDS:
        hint = did_you_mean(command.replace("-", "_"), COMMANDS)
        print(
            f"mlclap: error: there is no command {command!r}; `mlclap --help` lists them all.{hint}",
            file=sys.stderr,
        )
        sys.exit(2)
    importlib.import_module(f"espnet_mlclap.bin.{command}").main(rest)


if __name__ == "__main__":
    main()
