"""What a recipe would do with some options: `run.sh ... --print_plan json`."""

import json
import subprocess
from typing import Dict, List, Sequence

from espnet_mlclap.utils.errors import UserError


class Plan(Dict[str, str]):
    """What follows from the options of mlclap.sh, by name: folders, languages, numbers, as words.

    `mlclap.sh --print_plan json` shows them all; used here are experiment, inference, datadir, le_ratio,
    le_langs and ngpu.
    """

    @property
    def translations(self) -> float:
        """Translations that an epoch uses of a caption, on average."""
        return float(self["le_ratio"]) * len(self["le_langs"].split())


def ask_plan(recipe: str, options: Sequence[str]) -> Plan:
    """The plan of a recipe's run.sh with these options; nothing is run.

    Raises:
        UserError: the recipe cannot be run, or refuses the options; says what it said.
    """
    command: List[str] = [recipe, *options, "--print_plan", "json"]
    try:
        ended = subprocess.run(command, capture_output=True, text=True)
    except OSError as error:
        raise UserError(
            f"{recipe}: cannot be run ({error.strerror}). Start this in a recipe's folder."
        ) from error
    if ended.returncode != 0:
        raise UserError(f"{' '.join(command)}: failed:\n{ended.stderr.strip()}")
    try:
        return Plan(json.loads(ended.stdout))
    except ValueError as error:
        raise UserError(f"{' '.join(command)}: must print JSON, but: {error}") from error
