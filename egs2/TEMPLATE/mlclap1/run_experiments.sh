#!/usr/bin/env bash
# Every experiment of a paper of the recipe's list, or those of some tables, and our figures next to the printed ones:
#
#     ./run_experiments.sh                                  all of the recipe's own paper
#     ./run_experiments.sh --papers all                     and of the others
#     ./run_experiments.sh --tables "2 figure2" --seeds "1 2 3" -- --ngpu 2
#
# conf/experiments.yaml lists them. What is done already is not done again. `./run_experiments.sh --help` lists the
# options; those after `--` go to every ./run.sh.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
. ./path.sh

exec python3 -m espnet_mlclap.bin.run_experiments "$@"
