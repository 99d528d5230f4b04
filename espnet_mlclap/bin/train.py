"""Train a model (stage 5): ESPnet's training options and those of MLCLAPTask."""

import sys
from typing import Optional, Sequence

from espnet_mlclap.utils.errors import UserError


def main(arguments: Optional[Sequence[str]] = None) -> None:
    """Entry point; `--help` lists the options."""
    from espnet_mlclap.tasks.mlclap import MLCLAPTask

    try:
        MLCLAPTask.main(cmd=arguments)
    except UserError as error:
        print(f"espnet_mlclap.bin.train: error: {error}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
