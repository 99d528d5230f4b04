#!/usr/bin/env bash
# One share of a command, as a job of an array:
#
#     sbatch --array 1-8 share.sh FOLDER 8 COMMAND...
#
# runs COMMAND --shard 3/8 in the third; FOLDER/3.ended says that it ended well.
set -euo pipefail
. ./path.sh
shard=${SLURM_ARRAY_TASK_ID}
echo "# share ${shard} of $2 on ${SLURMD_NODENAME} at $(date '+%F %T')"
"${@:3}" --shard "${shard}/$2"
touch "$1/${shard}.ended"
