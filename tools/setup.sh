#!/usr/bin/env bash
# Set up what is missing: Debian packages, the virtual environment tools/venv from requirements.lock, and this project
# in it. Each step that ended well leaves a mark in .done with what it was made from, so that running this again takes a
# second, and after an interruption it continues.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
mkdir -p .done

find_python() { # the first of these that is 3.10 to 3.12
    local python
    for python in ${PYTHON:-python3.11 python3 python3.12 python3.10}; do
        if "${python}" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 12))' 2>/dev/null; then
            command -v "${python}"
            return 0
        fi
    done
    echo "setup.sh: error: no Python 3.10, 3.11 or 3.12 found. Install one (Debian package python3), or name it:" \
        "make env PYTHON=/path/to/python3.11" >&2
    return 1
}

install_debian_packages() {
    local -A why=()
    local -a as_root=()
    local package
    "${python}" -c 'import ensurepip, venv' 2>/dev/null ||
        why[$(venv_package)]="makes virtual environments"
    "${python}" -c 'import ctypes; ctypes.CDLL("libsndfile.so.1")' 2>/dev/null ||
        why[libsndfile1]="fairseq2 does not start without it"
    command -v ffmpeg >/dev/null || why[ffmpeg]="reads audio formats that libsndfile does not know"
    # of use for one corpus alone: no reason to stop for it where it cannot be installed
    if ! command -v 7z >/dev/null && command -v apt-get >/dev/null && { ((EUID == 0)) || command -v sudo >/dev/null; }; then
        why[p7zip-full]="unpacks the split archives of WavCaps"
    fi
    ((${#why[@]})) || return 0

    echo "Debian packages that are missing and will be installed:"
    for package in "${!why[@]}"; do echo "  ${package}: ${why[${package}]}"; done
    if ! command -v apt-get >/dev/null; then
        echo "setup.sh: error: there is no apt-get here. Install these with your system's tool, then run this again." >&2
        return 1
    fi
    if ((EUID != 0)); then
        if ! command -v sudo >/dev/null; then
            echo "setup.sh: error: neither root nor sudo. Ask for: apt-get install ${!why[*]}" >&2
            return 1
        fi
        as_root=(sudo)
    fi
    "${as_root[@]}" apt-get update -q
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${!why[@]}"
}

venv_package() { # of the system's Python the package has no version in its name
    if [[ $(basename "${python}") == python3 ]]; then echo python3-venv; else echo "$(basename "${python}")-venv"; fi
}

done_with() { # STEP STATE: whether STEP ended well with this state of its inputs
    [[ -f .done/$1 && $(<".done/$1") == "$2" ]]
}

python=$(find_python)
install_debian_packages

state=$("${python}" --version; sha256sum requirements.lock)
if ! done_with python "${state}" || [[ ! -x venv/bin/python ]]; then
    echo "Python environment tools/venv: about 7 GB, a few minutes"
    rm -f .done/python .done/project
    if [[ ! -x venv/bin/pip ]] || [[ $(venv/bin/python --version) != $("${python}" --version) ]]; then
        rm -rf venv
        "${python}" -m venv venv
    fi
    # uv installs in parallel; pip, which is slower, where uv cannot reach the packages
    if ! { venv/bin/pip install -q --disable-pip-version-check "$(grep '^uv==' requirements.lock)" &&
        VIRTUAL_ENV=$PWD/venv venv/bin/uv pip install --no-deps -r requirements.lock; }; then
        echo "uv did not succeed; trying pip"
        venv/bin/pip install --disable-pip-version-check --no-deps -r requirements.lock
    fi
    printf '%s' "${state}" >.done/python
fi

state=$(cat ../setup.py; pwd)
if ! done_with project "${state}"; then
    venv/bin/pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e ..
    printf '%s' "${state}" >.done/project
fi
venv/bin/python -m espnet_mlclap.bin.check_environment
