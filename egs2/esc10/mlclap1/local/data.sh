#!/usr/bin/env bash
# Read the recordings and captions of corpus/ into data directories; with `--set scenes`, make scenes of them.
set -euo pipefail
. ./path.sh

set=esc10
if [[ ${1:-} == --set ]]; then
    set=$2
    shift 2
fi
exec python3 "local/prepare_${set}.py" --corpus corpus --out_dir "${datadir:-data}" "$@"
