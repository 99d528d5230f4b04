"""Train a model (stage 5): ESPnet's training options and those of MLCLAPTask.

The file of `--config` may be based on another one: see `espnet_mlclap.utils.config`.
"""

import sys
from typing import Optional, Sequence

from espnet_mlclap.utils.config import resolve_arguments
from espnet_mlclap.utils.errors import UserError


def main(arguments: Optional[Sequence[str]] = None) -> None:
    """Entry point; `--help` lists the options."""
    try:
        resolved = resolve_arguments(sys.argv[1:] if arguments is None else arguments)
        from espnet_mlclap.tasks.mlclap import MLCLAPTask

        MLCLAPTask.main(cmd=resolved)
    except UserError as error:
        print(f"espnet_mlclap.bin.train: error: {error}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
