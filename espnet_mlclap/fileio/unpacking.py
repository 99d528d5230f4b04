"""Read a packed model (see `packed.py`), which may be anybody's: what it declares, and nothing outside.

Every member is looked at before a byte of it is written: a regular file (no link, device or sparse file) of a
relative name without `..`, once, and no larger than it may be. What `meta.yaml` names must be a member. A
member's bytes are copied by this module, as many as it has declared; checksums that are there must be right.
"""

import contextlib
import hashlib
import tarfile
import tempfile
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import (
    IO,
    Any,
    Callable,
    Dict,
    Iterable,
    Iterator,
    List,
    Mapping,
    NamedTuple,
    Optional,
    Union,
)

from espnet_mlclap.fileio.packed import META
from espnet_mlclap.utils.atomic import make_dir
from espnet_mlclap.utils.config import check_mapping
from espnet_mlclap.utils.errors import UserError
from espnet_mlclap.utils.resources import is_shortage, naming
from espnet_mlclap.utils.yaml_text import MOST_BYTES as _MOST_YAML_BYTES
from espnet_mlclap.utils.yaml_text import parse_yaml

MODEL = "model_file"  # the name under which the weights are asked for
_MOST_MEMBERS = 10_000
_MOST_OTHER_BYTES = 256 << 20  # of all but the weights together: tokenizers, pictures
_BLOCK = 1 << 20
_ZIP = b"PK\x03\x04"
_BROKEN = (
    OSError,
    EOFError,
    ValueError,
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    RuntimeError,
)

Files = Dict[str, Path]
#: Gets the files that are unpacked already; gives the most bytes that the weights may have.
Bound = Callable[[Mapping[str, Path]], int]


class _Member(NamedTuple):
    """size in bytes as declared; `open` gives its bytes."""

    size: int
    open: Callable[[], IO[bytes]]


def unpack(
    archive: Union[str, Path],
    folder: Union[str, Path],
    needed: Iterable[str] = (),
    bound: Optional[Bound] = None,
) -> Files:
    """Unpack into `folder`; nothing is written outside of it, and nothing that is in the archive runs.

    Args:
        archive: made by `write_packed` or by ESPnet.
        folder: an empty one.
        needed: names that must be among them.
        bound: asked before the weights are written, which may be of any size without it.

    Returns:
        The files by the names under which they are asked for.

    Raises:
        UserError: no packed model, a broken one, one whose checksums are wrong, or one that has what a packed
            model has no need of: paths that lead outside, links, sizes out of all proportion.
    """
    archive, folder = Path(archive), Path(folder)
    try:
        with _open(archive) as members:
            meta = _read_meta(archive, members)
            for key in needed:
                if key not in meta.names:
                    raise UserError(
                        f"{archive}: a packed model, but of another program: it has no {key!r}."
                    )
            weights = meta.names.get(MODEL)
            others = [name for name in members if name not in (META, weights)]
            size = sum(members[name].size for name in others)
            if size > _MOST_OTHER_BYTES:
                raise UserError(
                    f"{archive}: {size:,} bytes beside the weights, more than {_MOST_OTHER_BYTES:,}."
                )
            files = {key: folder / name for key, name in meta.names.items()}
            for name in others:
                _copy(archive, members, name, folder, meta.sha256)
            if weights is not None:
                size = members[weights].size
                most = None if bound is None else bound(files)
                if most is not None and size > most:
                    raise UserError(
                        f"{archive}: its weights have {size:,} bytes; the model of its configuration has at "
                        f"most {most:,}."
                    )
                _copy(archive, members, weights, folder, meta.sha256)
            return files
    except _BROKEN as error:
        if is_shortage(error):  # of room for what is in it
            raise
        raise UserError(f"{archive}: not a packed model ({error}).") from error


@contextlib.contextmanager
def _open(archive: Path) -> Iterator[Dict[str, _Member]]:
    """The members of an archive by name, each of them checked."""
    if not archive.is_file():
        raise UserError(f"{archive}: no such file.")
    with archive.open("rb") as file:
        start = file.read(4)
    with contextlib.ExitStack() as stack:
        entries: Iterable[Any]
        if (
            start == _ZIP
        ):  # (zipfile.is_zipfile looks at the end, where a tar may hold a checkpoint, which is a zip)
            entries = _in_zip(stack.enter_context(zipfile.ZipFile(archive)))
        else:
            entries = _in_tar(stack.enter_context(tarfile.open(archive)), archive)
        members: Dict[str, _Member] = {}
        for name, member in entries:
            _check_name(archive, name)
            if name in members:
                raise UserError(f"{archive}: two files called {name!r} in it.")
            members[name] = member
            if len(members) > _MOST_MEMBERS:
                raise UserError(f"{archive}: more than {_MOST_MEMBERS:,} files in it.")
        yield members


def _in_zip(file: zipfile.ZipFile) -> Iterator[Any]:
    for info in file.infolist():
        kind = (
            info.external_attr >> 28
        )  # the file's type in Unix's notation, 0 where it is not said
        if info.is_dir():
            continue
        if kind not in (0, 0o10):
            raise UserError(f"{file.filename}: {info.filename!r} in it is not a regular file.")
        yield info.filename, _Member(info.file_size, lambda info=info: file.open(info))


def _in_tar(file: tarfile.TarFile, archive: Path) -> Iterator[Any]:
    file.fileobj = _SmallReads(file.fileobj, archive)  # type: ignore[assignment]
    for info in file:
        if info.isdir():
            continue
        if not info.isreg() or info.issparse():
            raise UserError(f"{archive}: {info.name!r} in it is not a regular file.")
        yield info.name, _Member(info.size, lambda info=info: file.extractfile(info))


class _SmallReads:
    """A file from which nobody reads much at once: tarfile reads a header as long as it says that it is."""

    def __init__(self, file: Any, archive: Path):
        self._file = file
        self._archive = archive

    def read(self, size: int) -> bytes:
        """Up to `size` bytes."""
        if size > _BLOCK:
            raise UserError(f"{self._archive}: a header of {size:,} bytes in it.")
        return self._file.read(size)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def _check_name(archive: Path, name: str) -> None:
    path = PurePosixPath(name)
    inside = not path.is_absolute() and ".." not in path.parts and path.parts
    if not inside or "\\" in name or "\0" in name or not name.isprintable():
        raise UserError(f"{archive}: names a file outside of itself, or that cannot be: {name!r}.")


class _Meta(NamedTuple):
    """names: in the archive, by the names under which files are asked for; sha256: by name in the archive."""

    names: Dict[str, str]
    sha256: Dict[str, str]


def _read_meta(archive: Path, members: Mapping[str, _Member]) -> _Meta:
    where = f"{archive}: {META}"
    if META not in members:
        raise UserError(f"{archive}: not a packed model (there is no {META} in it).")
    with members[META].open() as file:
        content = check_mapping(parse_yaml(file.read(_MOST_YAML_BYTES + 1), where), where)
    tables: List[Dict[str, str]] = []
    for key, default in (("yaml_files", None), ("files", None), ("sha256", {})):
        table = check_mapping(content.get(key, default), f"{where}: {key}")
        for name, value in table.items():
            if not isinstance(name, str) or not isinstance(value, str):
                raise UserError(
                    f"{where}: {key}: must hold words by name, not {name!r}: {value!r}."
                )
        tables.append(table)
    names = {**tables[0], **tables[1]}
    for key, name in names.items():
        if name not in members:
            raise UserError(
                f"{where}: {key}: names a file outside of itself, or that it lacks: {name!r}."
            )
    for name in tables[0].values():
        if members[name].size > _MOST_YAML_BYTES:
            raise UserError(f"{archive}: {name}: larger than {_MOST_YAML_BYTES:,} bytes.")
    return _Meta(names, tables[2])


def _copy(
    archive: Path,
    members: Mapping[str, _Member],
    name: str,
    folder: Path,
    checksums: Mapping[str, str],
) -> None:
    """Write a member below `folder`."""
    target = folder / name
    make_dir(target.parent)
    digest, left = hashlib.sha256(), members[name].size
    with (
        naming(target, target, left),
        members[name].open() as source,
        target.open("xb") as file,
    ):
        while left and (block := source.read(min(left, _BLOCK))):
            digest.update(block)
            file.write(block)
            left -= len(block)
    if left:
        raise UserError(f"{archive}: {name} in it is cut off, {left:,} bytes are missing.")
    if checksums.get(name, digest.hexdigest()) != digest.hexdigest():
        raise UserError(
            f"{archive}: {name} in it is not what was packed (its sha256 is another). Get the file again."
        )


def unpack_experiment(
    archive: Union[str, Path],
    folder: Union[str, Path],
    model_file: str,
    bound: Optional[Bound] = None,
) -> None:
    """Make an experiment folder of a packed model, as training leaves one.

    Args:
        archive: the packed model.
        folder: the experiment's; what is in it already stays, but for files of the same names.
        model_file: name of the checkpoint there.
        bound: see `unpack`.

    Raises:
        UserError: see `unpack`; a name under which a file is asked for that leads outside.
    """
    folder = make_dir(folder)
    names = {"config": "config.yaml", MODEL: model_file}
    with tempfile.TemporaryDirectory(dir=folder, prefix=".unpacked.", suffix=".tmp") as temporary:
        for key, path in unpack(archive, temporary, names, bound).items():
            _check_name(Path(archive), key)
            if key not in names and len(PurePosixPath(key).parts) == 1:
                continue  # what we pack is in the folder of its encoder; this could pass for a checkpoint
            target = folder / names.get(key, key)
            make_dir(target.parent)
            path.replace(target)
