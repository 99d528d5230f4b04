"""A library: recordings of any folders, as windows with vectors of one model, in a folder of its own."""

from pathlib import Path
from typing import Optional, Union

from espnet_mlclap.search.catalogue import Catalogue
from espnet_mlclap.search.database import Database
from espnet_mlclap.search.stores.abs_store import AbsStore
from espnet_mlclap.search.stores.options import StoreOptions, open_store
from espnet_mlclap.search.windows import WindowPlan
from espnet_mlclap.utils.errors import UserError

_DATABASE = "library.sqlite"


class Library:
    """The catalogue of files and the store of their windows.

    Args:
        folder: of the library; made if it is not there.
        fingerprint: of the model (`models/fingerprint.py`). Vectors of different models never meet.
        size: width E of its vectors.
        options: which store.

    Raises:
        UserError: the folder holds the library of another model, or is not usable.
    """

    def __init__(
        self,
        folder: Union[str, Path],
        *,
        fingerprint: str,
        size: int,
        options: Optional[StoreOptions] = None,
    ):
        self.folder = Path(folder)
        self.size = size
        self.database = Database(self.folder / _DATABASE)
        self.catalogue = Catalogue(self.database)
        known = self.catalogue.get("model")
        if known not in (None, fingerprint):
            raise UserError(
                f"{self.folder}: this library is of another model. Name that model, or another --library."
            )
        if known is None:
            self.catalogue.set("model", fingerprint)
        self.store: AbsStore = open_store(
            options or StoreOptions(), self.database, self.folder, fingerprint, size
        )

    @classmethod
    def exists(cls, folder: Union[str, Path]) -> bool:
        """Is there a library in this folder?"""
        return (Path(folder) / _DATABASE).is_file()

    def plan(self, wanted: Optional[WindowPlan] = None) -> WindowPlan:
        """How its recordings are cut: as when it was made; by `wanted` (or the default) if it is new.

        Raises:
            UserError: `wanted` is another plan than that which the library was made with.
        """
        known = self.catalogue.get("windows")
        if known is None:
            plan = wanted or WindowPlan()
            self.catalogue.set("windows", f"{plan.window!r} {plan.hop!r}")
            return plan
        window, hop = map(float, known.split())
        made = WindowPlan(window, hop)
        if wanted is not None and str(wanted) != str(made):
            raise UserError(
                f"{self.folder}: this library was made with windows of {made}, not {wanted}. Leave "
                f"--window and "
                "--hop out, or name another --library."
            )
        return made

    def close(self) -> None:
        """Let go of files and connections."""
        self.store.close()
        self.database.close()
