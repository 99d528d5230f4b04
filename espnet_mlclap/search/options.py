"""Options that the commands around a library share, and what they mean."""

import argparse
import re
import time
from datetime import datetime
from pathlib import Path
from typing import Dict, Optional, Protocol

from espnet_mlclap.search.library import Library
from espnet_mlclap.search.moments import MomentSettings
from espnet_mlclap.search.places import KnownModel, last_model, library_of, remember_model
from espnet_mlclap.search.stores.abs_store import Where
from espnet_mlclap.search.stores.options import LOCAL, StoreOptions
from espnet_mlclap.utils.config import BEST_MODEL
from espnet_mlclap.utils.errors import UserError


class _Model(Protocol):
    @property
    def embed_size(self) -> int: ...

    @property
    def fingerprint(self) -> str: ...


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """Which model, and where it computes."""
    add = parser.add_argument
    add(
        *("--model_dir", "--model"),
        help="experiment folder or packed file (default: the one used last with `mlclap index`)",
    )
    add("--model_file", default=BEST_MODEL, help="checkpoint in model_dir")
    add("--device", default="cpu", help="cpu or cuda")


def add_library_options(parser: argparse.ArgumentParser) -> None:
    """Which model, which library, which store."""
    add_model_options(parser)
    add = parser.add_argument
    add("--library", type=Path, help="its folder (default: the model's, in your data directory)")
    add("--store", default=LOCAL, help="local, or http://HOST:19530 of a Milvus server")
    add("--vectors", help="of a new local store: float32, float16 or int8")
    add("--exact_up_to", type=int, default=100_000, help="windows that are compared one by one")
    add("--collection", help="of Milvus (default: mlclap_ and the model's fingerprint)")
    add("--milvus_token", default="", help="user:password, or a key, of Milvus")
    add(
        "--milvus_conf",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="index, index_parameters, search_parameters, consistency or timeout, as YAML",
    )


def add_where_options(parser: argparse.ArgumentParser) -> None:
    """Which recordings."""
    add = parser.add_argument
    add("--in_folder", type=Path, help="only recordings in this folder")
    add("--with_tag", action="append", default=[], help="only with this tag; may be repeated")
    add("--min_duration", type=float, help="only recordings of at least so many seconds")
    add("--max_duration", type=float, help="only recordings of at most so many seconds")
    add("--changed_after", help="only of this day or later (2026-01-31)")
    add("--changed_before", help="only of days before this one")


def add_moment_options(parser: argparse.ArgumentParser) -> None:
    """How moments are found."""
    add = parser.add_argument
    add("--window", type=float, default=MomentSettings.window, help="seconds of a window")
    add("--hop", type=float, default=MomentSettings.hop, help="seconds between windows")
    add(
        "--height",
        type=float,
        default=MomentSettings.height,
        help="a moment ends where similarity falls below this share of its height above the median",
    )
    add(
        "--least",
        type=float,
        default=MomentSettings.least,
        help="moments lower than this share of the highest one are left out",
    )


def moment_settings(options: argparse.Namespace) -> MomentSettings:
    """The settings that `add_moment_options` asks for.

    Raises:
        UserError: impossible ones.
    """
    return MomentSettings(options.window, options.hop, options.height, options.least)


def add_reranker_options(parser: argparse.ArgumentParser) -> None:
    """A model that puts what was found in order."""
    add = parser.add_argument
    add("--reranker", help="experiment or packed file of a model of pairs (co-attention)")
    add("--reranker_file", default=BEST_MODEL, help="checkpoint in --reranker")
    add("--rerank_top", type=int, default=50, help="hits that it looks at")


def check_positive(options: argparse.Namespace, *names: str) -> None:
    """Options that must be 1 or more.

    Raises:
        UserError: one is not.
    """
    for name in names:
        if getattr(options, name) < 1:
            raise UserError(f"--{name} {getattr(options, name)}: must be 1 or more.")


def find_model(options: argparse.Namespace) -> KnownModel:
    """The model that the user named, or else the library's.

    Raises:
        UserError: none was named, and there is no library.
    """
    if options.model_dir is None:
        return last_model(getattr(options, "library", None))
    return KnownModel(str(Path(options.model_dir).resolve()), options.model_file)


def open_library(
    options: argparse.Namespace, known: KnownModel, model: _Model, *, make: bool = False
) -> Library:
    """The library that the options name.

    Args:
        options: with those of `add_library_options`.
        known: where the model came from.
        model: the loaded model.
        make: make it if it is not there.

    Raises:
        UserError: there is none (without `make`), or it is of another model.
    """
    folder = options.library or library_of(model.fingerprint)
    remote = options.store != LOCAL
    if not (make or remote or Library.exists(folder)):
        raise UserError(
            f"{folder}: no library of this model yet. Make one: mlclap index FOLDER --model_dir "
            f"{known.model_dir}"
        )
    library = Library(
        folder, fingerprint=model.fingerprint, size=model.embed_size, options=store_options(options)
    )
    if make:
        remember_model(folder, known)
    return library


def store_options(options: argparse.Namespace) -> StoreOptions:
    """Which store.

    Raises:
        UserError: a setting that is not KEY=VALUE.
    """
    import yaml

    milvus: Dict[str, object] = {}
    for pair in options.milvus_conf:
        key, separator, value = pair.partition("=")
        if not separator:
            raise UserError(f"--milvus_conf {pair}: must be KEY=VALUE.")
        try:
            milvus[key] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise UserError(f"--milvus_conf {pair}: not YAML ({error}).") from error
    return StoreOptions(
        store=options.store,
        vectors=options.vectors,
        exact_up_to=options.exact_up_to,
        collection=options.collection,
        token=options.milvus_token,
        milvus=milvus,
    )


def where_of(options: argparse.Namespace) -> Where:
    """Which recordings.

    Raises:
        UserError: a day that is none.
    """
    folder = options.in_folder
    return Where(
        folder=None if folder is None else str(folder.absolute()),
        changed_after=day("changed_after", options.changed_after),
        changed_before=day("changed_before", options.changed_before),
        min_duration=options.min_duration,
        max_duration=options.max_duration,
        tags=tuple(options.with_tag),
    )


def day(name: str, text: Optional[str]) -> Optional[float]:
    """The beginning of a day here, in seconds since 1970.

    Raises:
        UserError: it is not of the form 2026-01-31.
    """
    if not text:
        return None
    if re.fullmatch(r"\d{4}-\d\d-\d\d", text):
        try:
            return time.mktime(datetime.strptime(text, "%Y-%m-%d").timetuple())
        except ValueError:
            pass
    raise UserError(f"--{name} {text}: not a day of the form 2026-01-31.")
