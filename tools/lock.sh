#!/usr/bin/env bash
# Resolve requirements.in and overrides.txt into requirements.lock, for Python 3.10 to 3.12. Run it after changing either.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

uv=$(command -v uv || echo venv/bin/uv)
header="# Made by tools/lock.sh from requirements.in and overrides.txt. Install with --no-deps: the overrides go against espnet's pins."
"${uv}" pip compile requirements.in --override overrides.txt --universal --python-version 3.10 \
    --no-header --no-annotate --no-emit-index-url --output-file requirements.lock.tmp >/dev/null
{ echo "${header}"; cat requirements.lock.tmp; } >requirements.lock
rm requirements.lock.tmp
