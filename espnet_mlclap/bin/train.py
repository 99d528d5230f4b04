"""Train a model (stage 5): ESPnet's training options and those of MLCLAPTask.

The file of `--config` may be based on another one: see `espnet_mlclap.utils.config`.
"""

import sys
from typing import Optional, Sequence

from espnet_mlclap.utils.cli import one_line_errors
from espnet_mlclap.utils.config import check_options_of, resolve_arguments


def main(arguments: Optional[Sequence[str]] = None) -> None:
    """Entry point; `--help` lists the options."""
    with one_line_errors("mlclap train"):
        given = sys.argv[1:] if arguments is None else arguments
        resolved = resolve_arguments(given)
        from espnet_mlclap.tasks.mlclap import MLCLAPTask

        check_options_of(given, vars(MLCLAPTask.get_parser().parse_args([])))
        MLCLAPTask.main(cmd=resolved)


if __name__ == "__main__":
    main()
