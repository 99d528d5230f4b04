#!/usr/bin/env bash
# Make the mini corpus (synthetic: sounds by numpy, captions by a grammar) in --datadir and downloads/mini.
set -euo pipefail
. ./path.sh

exec python3 local/prepare_mini.py --config conf/corpus.yaml --audio_dir downloads/mini --out_dir "${datadir:-data}" "$@"
