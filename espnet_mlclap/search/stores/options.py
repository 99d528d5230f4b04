"""Which store, with which settings; one place where it is opened."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Optional

from espnet_mlclap.search.database import Database
from espnet_mlclap.search.stores.abs_store import AbsStore
from espnet_mlclap.utils.errors import UserError

LOCAL = "local"


@dataclass(frozen=True)
class StoreOptions:
    """What a user says about a store.

    Attributes:
        store: "local", or a Milvus server's address (`http://host:19530`).
        vectors: how the local store keeps them: "float32", "float16" or "int8"; None: as it was made.
        exact_up_to: windows up to which the local store compares with all.
        collection: of Milvus; None: `mlclap_` and the model's fingerprint.
        token: of Milvus.
        milvus: further settings, by the names of `MilvusOptions`.
    """

    store: str = LOCAL
    vectors: Optional[str] = None
    exact_up_to: int = 100_000
    collection: Optional[str] = None
    token: str = ""
    milvus: Optional[Dict[str, Any]] = None


def open_store(
    options: StoreOptions, database: Database, folder: Path, fingerprint: str, size: int
) -> AbsStore:
    """The store of a library.

    Args:
        options: which.
        database: of the library.
        folder: of the library.
        fingerprint: of the model.
        size: width E of its vectors.

    Raises:
        UserError: an address that is none, a server that cannot be reached, unsuitable settings.
    """
    if options.store == LOCAL:
        from espnet_mlclap.search.stores.local import LocalStore

        return LocalStore(
            database, folder, vectors=options.vectors, exact_up_to=options.exact_up_to
        )
    if not options.store.startswith(("http://", "https://")):
        raise UserError(
            f"--store {options.store}: must be 'local', or a Milvus server's address, http://host:19530."
        )
    from espnet_mlclap.search.stores.milvus import MilvusOptions, MilvusStore

    more = dict(options.milvus or {})
    known = set(MilvusOptions.__dataclass_fields__) - {"uri", "token", "collection"}
    if wrong := sorted(set(more) - known):
        raise UserError(
            f"--milvus_conf {wrong[0]}: unknown setting; there are {', '.join(sorted(known))}."
        )
    return MilvusStore(
        MilvusOptions(
            uri=options.store,
            collection=options.collection or f"mlclap_{fingerprint}",
            token=options.token,
            **more,
        ),
        size,
    )
