#!/usr/bin/env bash
# Make a library of recordings, or bring it up to date, with the work shared by jobs of a cluster:
#
#     cmd_backend=slurm scripts/index.sh 8 ~/recordings --model_dir exp/mlclap_x --device cuda
#
# from the folder of a recipe: 8 jobs, then the arguments of `mlclap index`. With --device cuda each has a GPU. The logs
# are in exp/log/index.log and beside it.
set -euo pipefail

if (($# < 2)) || [[ ! $1 =~ ^[1-9][0-9]*$ ]]; then
    sed -n -e '2,/^[^#]/s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2
    exit 2
fi
shards=$1
shift
ngpu=0
if [[ " $* " == *" --device cuda"* ]]; then ngpu=1; fi # for cmd.sh
. scripts/jobs.sh
. scripts/shards.sh
. ./path.sh
. ./cmd.sh
# shellcheck disable=SC2154  # cmd.sh
shard_cmd=${embed_shard_cmd}
command=(python3 -m espnet_mlclap.bin.index "$@")
if [[ -n ${shard_cmd} ]]; then run_job exp/log/index_list.log "${embed_cmd}" "${command[@]}" --plan_shares true; fi
shared_job exp/log/index.log "${embed_cmd}" "${command[@]}"
tail -n 3 exp/log/index.log | grep -v '^#'
