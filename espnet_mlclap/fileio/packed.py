"""A model in one file, in ESPnet's format: written and read without ESPnet, which reads it too.

The file is a zip or tar archive. `meta.yaml` in it names the others: `files` and `yaml_files`, by the name
under which a program asks for them (`model_file`, `config`), with their path in the archive.
"""

import io
import sys
import tarfile
import tempfile
import time
import zipfile
from pathlib import Path
from typing import Dict, Iterable, Mapping, Union

import yaml

from espnet_mlclap.utils.atomic import make_dir
from espnet_mlclap.utils.errors import UserError

META = "meta.yaml"
# suffix -> mode of tarfile; ESPnet knows the format of a file by its suffix too
_TAR_MODES = {".tar": "w", ".tgz": "w:gz", ".tbz2": "w:bz2", ".txz": "w:xz"}
SUFFIXES = (".zip", *_TAR_MODES)
_BROKEN = (
    ValueError, TypeError, KeyError, OSError, EOFError,
    zipfile.BadZipFile, tarfile.TarError, yaml.YAMLError,
)  # fmt: skip


def write_packed(
    out: Union[str, Path],
    folder: Union[str, Path],
    files: Mapping[str, Path],
    yaml_files: Mapping[str, Path],
    more: Iterable[Path] = (),
) -> None:
    """Pack files; the archive gets its name when it is complete.

    Args:
        out: the archive, with one of `SUFFIXES`.
        folder: what is in it is called `<folder's name>/<path in it>` in the archive, other files
            `<folder's name>/<file name>`.
        files: by the name under which they are asked for.
        yaml_files: likewise; ESPnet reads these as YAML when it unpacks them.
        more: files that nobody asks for by a name.

    Raises:
        UserError: another suffix, a file that is not there, or two of one name.
    """
    out, folder, more = Path(out), Path(folder).resolve(), list(more)
    if out.suffix not in SUFFIXES:
        raise UserError(f"{out}: must end in {', '.join(SUFFIXES)}.")
    sources: Dict[str, Path] = {}
    for path in [*yaml_files.values(), *files.values(), *more]:
        name = _name(path, folder)
        if not path.is_file():
            raise UserError(f"{path}: no such file, so {folder.name} cannot be packed.")
        if sources.setdefault(name, path) != path:
            raise UserError(f"{path}: would be {name} in the archive, as {sources[name]} is.")
    meta = {
        "files": {key: _name(path, folder) for key, path in files.items()},
        "yaml_files": {key: _name(path, folder) for key, path in yaml_files.items()},
        "timestamp": time.time(),
        "python": sys.version,
    }
    make_dir(out.parent)
    temporary = out.with_name(f".tmp.{out.name}")
    try:
        _write(temporary, yaml.safe_dump(meta).encode("utf-8"), sources)
        temporary.replace(out)
    finally:
        temporary.unlink(missing_ok=True)


def _name(path: Path, folder: Path) -> str:
    path = path.resolve()
    inside = path.relative_to(folder) if path.is_relative_to(folder) else path.name
    return f"{folder.name}/{inside}"


def _write(archive: Path, meta: bytes, sources: Mapping[str, Path]) -> None:
    # meta.yaml goes first: ESPnet reads an archive from the start
    if archive.suffix == ".zip":
        with zipfile.ZipFile(archive, "w") as file:
            file.writestr(META, meta)
            for name, path in sources.items():
                file.write(path.resolve(), name)
        return
    with tarfile.open(archive, _TAR_MODES[archive.suffix]) as file:
        info = tarfile.TarInfo(META)
        info.size, info.mtime = len(meta), time.time()
        file.addfile(info, io.BytesIO(meta))
        for name, path in sources.items():
            file.add(path.resolve(), name)


def unpack(
    archive: Union[str, Path], folder: Union[str, Path], needed: Iterable[str] = ()
) -> Dict[str, Path]:
    """Unpack into `folder`; nothing is written outside of it.

    Args:
        archive: made by `write_packed` or by ESPnet.
        folder: an empty one.
        needed: names that must be among them.

    Returns:
        The files by the names under which they are asked for.

    Raises:
        UserError: no packed model, or a broken one.
    """
    archive, folder = Path(archive), Path(folder)
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as file:
                file.extractall(folder)
        else:
            with tarfile.open(archive) as file:
                file.extractall(folder, filter="data")
        meta = yaml.safe_load((folder / META).read_text(encoding="utf-8"))
        named = {**meta["yaml_files"], **meta["files"]}
    except _BROKEN as error:
        raise UserError(f"{archive}: not a packed model ({error}).") from error
    for key in needed:
        if key not in named:
            raise UserError(
                f"{archive}: a packed model, but of another program: it has no {key!r}."
            )
    return {key: folder / name for key, name in named.items()}


def unpack_experiment(archive: Union[str, Path], folder: Union[str, Path], model_file: str) -> None:
    """Make an experiment folder of a packed model, as training leaves one.

    Args:
        archive: the packed model.
        folder: the experiment's; what is in it already stays, but for files of the same names.
        model_file: name of the checkpoint there.

    Raises:
        UserError: no packed model, or one that names files outside of itself.
    """
    folder = make_dir(folder)
    names = {"config": "config.yaml", "model_file": model_file}
    with tempfile.TemporaryDirectory(dir=folder, prefix=".tmp.") as temporary:
        files = unpack(archive, temporary, names)
        for key, path in files.items():
            target = folder / names.get(key, key)
            inside = path.resolve().is_relative_to(Path(temporary).resolve())
            if not inside or not target.resolve().is_relative_to(folder.resolve()):
                raise UserError(f"{archive}: names a file outside of itself: {key}.")
            make_dir(target.parent)
            path.replace(target)
