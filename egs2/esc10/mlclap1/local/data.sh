#!/usr/bin/env bash
# Read the recordings and captions of corpus/ into data/{train,valid,test} and data/train_given.
set -euo pipefail
. ./path.sh

exec python3 local/prepare_esc10.py --corpus corpus --out_dir data "$@"
