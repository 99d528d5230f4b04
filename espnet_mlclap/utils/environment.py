"""Does the environment hold what the lock file says? Names what is missing or of another version."""

import ctypes
import importlib.metadata
import re
import sys
from pathlib import Path
from typing import List, Set

TOOLS = Path(__file__).resolve().parents[2] / "tools"
_CHECKS = "# set-up, tests and checks"  # what follows in requirements.in no recipe needs
_PYTHONS = ((3, 10), (3, 12))  # first and last that the lock covers


def find_problems(lock: Path = TOOLS / "requirements.lock") -> List[str]:
    """Compare what is installed with `lock`.

    What the project itself asks for (requirements.in next to the lock) must have the locked version;
    of what that brings with it, only the presence is checked.

    Returns:
        One line for each problem; empty when all is well. Without a lock file (a package installed
        elsewhere) only Python and libraries are checked.
    """
    problems = []
    if not _PYTHONS[0] <= sys.version_info[:2] <= _PYTHONS[1]:
        problems.append(
            f"Python {sys.version_info[0]}.{sys.version_info[1]} is not supported; 3.10 to 3.12 are"
        )
    if lock.exists():
        problems += _package_problems(lock)
    if not any(importlib.metadata.distributions(name="espnet_mlclap")):
        problems.append("espnet_mlclap itself is not installed (pip install -e .)")
    try:
        ctypes.CDLL("libsndfile.so.1" if sys.platform == "linux" else "libsndfile.1.dylib")
    except OSError:
        problems.append(
            "libsndfile is missing, without which fairseq2 does not start (Debian package libsndfile1)"
        )
    return problems


def _package_problems(lock: Path) -> List[str]:
    try:
        from packaging.requirements import Requirement
    except ImportError:
        return [f"none of the Python packages of {lock.name} is installed"]
    ours, _, for_checks = lock.with_name("requirements.in").read_text("utf-8").partition(_CHECKS)
    direct, unneeded = _names(ours), _names(for_checks)
    installed = {
        _normal(distribution.metadata["Name"]): distribution.version
        for distribution in importlib.metadata.distributions()
        if distribution.metadata["Name"]
    }
    problems, others = [], []
    for line in lock.read_text("utf-8").splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        requirement = Requirement(line)
        if requirement.marker is not None and not requirement.marker.evaluate():
            continue
        name = _normal(requirement.name)
        if name in unneeded:
            continue
        found = installed.get(name)
        if found is None and name in direct:
            problems.append(f"{name} is missing ({requirement.specifier})")
        elif found is None:
            # a build of torch for the CPU comes without NVIDIA's libraries
            if not name.startswith(("nvidia-", "triton")):
                others.append(name)
        elif name in direct and not requirement.specifier.contains(found, prereleases=True):
            problems.append(f"{name} {found} is installed, {requirement.specifier} is needed")
    if others:
        some = ", ".join(others[:5]) + (" ..." if len(others) > 5 else "")
        problems.append(f"{len(others)} packages that these need are missing: {some}")
    return problems


def _names(requirements: str) -> Set[str]:
    lines = (line for line in requirements.splitlines() if line.strip() and line[0] != "#")
    return {_normal(re.split(r"[<>=!~\[ ]", line)[0]) for line in lines}


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
