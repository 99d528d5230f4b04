"""The one exception for a mistake of the user, not of the program."""

import re

_LONGEST_WORD = (
    500  # characters without a blank between them; what is longer is no name that anybody reads
)
_LONGEST_MESSAGE = 4000


class UserError(Exception):
    """Something the user gave is wrong: a file, a line, a key, an option.

    The message names the file and the line or key, says what was wrong and what to do. Command-line
    entry points print it without a traceback and exit with status 1 (see `espnet_mlclap.utils.cli`).
    What it quotes of a file may be of any length; the middle of what is too long is left out.
    """

    def __str__(self) -> str:
        words = re.sub(
            rf"\S{{{_LONGEST_WORD},}}", lambda word: _short(word[0], 200), super().__str__()
        )
        return words if len(words) <= _LONGEST_MESSAGE else _short(words, _LONGEST_MESSAGE // 2)


def _short(text: str, kept: int) -> str:
    return f"{text[:kept]} ... ({len(text) - 2 * kept} characters) ... {text[-kept:]}"
