"""A model in one file, in ESPnet's format: written and read without ESPnet, which reads it too.

The file is a zip or tar archive. `meta.yaml` in it names the others: `files` and `yaml_files`, by the name
under which a program asks for them (`model_file`, `config`), with their path in the archive. `sha256` (ours
alone; ESPnet does not look at it) has the checksum of each. `unpacking.py` reads such a file.
"""

import io
import sys
import tarfile
import time
import zipfile
from pathlib import Path
from typing import IO, Dict, Iterable, Mapping, Union

import yaml

from espnet_mlclap.fileio.publisher import file_digest
from espnet_mlclap.utils.atomic import atomic_open
from espnet_mlclap.utils.errors import UserError

META = "meta.yaml"
# suffix -> mode of tarfile; ESPnet knows the format of a file by its suffix too
_TAR_MODES = {".tar": "w", ".tgz": "w:gz", ".tbz2": "w:bz2", ".txz": "w:xz"}
SUFFIXES = (".zip", *_TAR_MODES)


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
        "sha256": {name: file_digest(path, "sha256") for name, path in sources.items()},
        "timestamp": time.time(),
        "python": sys.version,
    }
    size = sum(path.stat().st_size for path in sources.values())
    with atomic_open(out, "wb", size) as file:
        _write(file, out.suffix, yaml.safe_dump(meta).encode("utf-8"), sources)


def _name(path: Path, folder: Path) -> str:
    path = path.resolve()
    inside = path.relative_to(folder) if path.is_relative_to(folder) else path.name
    return f"{folder.name}/{inside}"


def _write(out: IO[bytes], suffix: str, meta: bytes, sources: Mapping[str, Path]) -> None:
    # meta.yaml goes first: ESPnet reads an archive from the start
    if suffix == ".zip":
        with zipfile.ZipFile(out, "w") as file:
            file.writestr(META, meta)
            for name, path in sources.items():
                file.write(path.resolve(), name)
        return
    with tarfile.open(fileobj=out, mode=_TAR_MODES[suffix]) as file:
        info = tarfile.TarInfo(META)
        info.size, info.mtime = len(meta), time.time()
        file.addfile(info, io.BytesIO(meta))
        for name, path in sources.items():
            file.add(path.resolve(), name)
