"""What the commands ask of a public corpus."""

import argparse
from abc import ABC, abstractmethod
from typing import ClassVar, Tuple


class AbsCorpus(ABC):
    """A public corpus: how it is fetched, and how its files become data directories.

    Attributes:
        parts: what can be fetched by itself.
        caption_files: the files that `prepare` reads captions from, in words for the help.
    """

    parts: ClassVar[Tuple[str, ...]]
    caption_files: ClassVar[str]

    def add_download_options(self, parser: argparse.ArgumentParser) -> None:  # noqa: B027 - few have any
        """Add options of `mlclap download_corpus` that only this corpus has."""

    @abstractmethod
    def download(self, options: argparse.Namespace) -> None:
        """Fetch the corpus; called again, continue where it was interrupted.

        Args:
            options: `out_dir`, `parts` (some of `parts`) and the corpus' own.

        Raises:
            UserError: no network, no room, or files that are not those published.
        """

    def add_prepare_options(self, parser: argparse.ArgumentParser) -> None:  # noqa: B027
        """Add options of `mlclap prepare_corpus` that only this corpus has."""

    @abstractmethod
    def prepare(self, options: argparse.Namespace) -> None:
        """Write the data directories `<corpus>_<split>`.

        Args:
            options: `captions_dir`, `audio_dir`, `out_dir` and the corpus' own.

        Raises:
            UserError: a file is missing or broken, or a split has no audio.
        """


def add_test_options(parser: argparse.ArgumentParser) -> None:
    """Options of corpora whose test set others have published captions or lists of: see `prepare_splits`."""
    parser.add_argument(
        "--test_captions",
        action="append",
        default=[],
        help="JSON file of given test captions; may be given several times",
    )
    parser.add_argument(
        "--test_list", help="file of the test clips to take, one per line, instead of all"
    )
