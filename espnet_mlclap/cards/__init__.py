"""fairseq2 asset cards of the small SONAR that ships with the package (see README.md beside)."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fairseq2.runtime.dependency import DependencyContainer


def setup_fairseq2_extension(container: "DependencyContainer") -> None:
    """Let fairseq2 find the cards in this folder by name.

    fairseq2 calls this through the entry point `fairseq2.extension` of the installed package.
    """
    from fairseq2.composition.assets import register_package_assets

    register_package_assets(container, "espnet_mlclap.cards")
