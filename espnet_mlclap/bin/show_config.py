"""Show a configuration with everything that it is based on: as YAML, its files, or one value."""

import argparse
from typing import Optional, Sequence

from espnet_mlclap.utils.cli import bool_option, run_command
from espnet_mlclap.utils.errors import UserError


def get_parser() -> argparse.ArgumentParser:
    """Options of this command."""
    parser = argparse.ArgumentParser(prog="mlclap show_config", description=__doc__)
    parser.add_argument("config", help="YAML file, such as conf/train.yaml")
    parser.add_argument(
        "--files",
        type=bool_option,
        default=False,
        help="print the files and folders that it consists of: itself, its bases, and what their values name",
    )
    parser.add_argument(
        "--value",
        metavar="KEY",
        help="print one value; of the epoch plan (le_ratio, ...) the default where it is not given",
    )
    return parser


def show_config(options: argparse.Namespace) -> None:
    """Print what is asked for."""
    import yaml

    from espnet_mlclap.utils.config import config_files, read_config

    config = read_config(options.config)
    if options.files:
        print("\n".join(map(str, config_files(options.config))))
    elif options.value is not None:
        from espnet_mlclap.iterators.plan_options import PlanOptions

        if options.value not in config and not hasattr(PlanOptions, options.value):
            raise UserError(f"{options.config}: no value {options.value!r}.")
        print(config.get(options.value, getattr(PlanOptions, options.value, None)))
    else:
        print(yaml.safe_dump(config, sort_keys=False, allow_unicode=True), end="")


def main(arguments: Optional[Sequence[str]] = None) -> None:
    """Entry point; `--help` lists the options."""
    run_command(get_parser(), show_config, arguments)


if __name__ == "__main__":
    main()
