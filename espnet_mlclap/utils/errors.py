"""The one exception for a mistake of the user, not of the program."""


class UserError(Exception):
    """Something the user gave is wrong: a file, a line, a key, an option.

    The message names the file and the line or key, says what was wrong and what to do. Command-line
    entry points print it without a traceback and exit with status 1 (see `espnet_mlclap.utils.cli`).
    """
