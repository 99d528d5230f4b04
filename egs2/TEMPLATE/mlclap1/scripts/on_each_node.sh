#!/usr/bin/env bash
# On each node of a step of Slurm's, so many processes of a Python program, all together the ranks of one training:
#
#     srun --nodes 2 --ntasks-per-node 1 bash scripts/on_node.sh bash scripts/on_each_node.sh 4 -m espnet_mlclap.bin.train ...
#
# They meet on the first node, at the address at which Slurm reaches it, and a port that it finds free and tells the others
# in a file; all run in the same folder, which they share.
set -euo pipefail
processes=$1
shift
first=$(scontrol show hostnames "${SLURM_STEP_NODELIST}" | head -n 1)
address=$(scontrol show node "${first}" --oneliner | sed -nE 's/.* NodeAddr=([^ ]+).*/\1/p')
meeting=.meeting.${SLURM_JOB_ID}.${SLURM_STEP_ID}.${SLURM_SRUN_COMM_PORT:-0} # of this start alone
if ((SLURM_NODEID == 0)); then
    trap 'rm -f "${meeting}"' EXIT
    python3 -c 'import socket
with socket.socket() as one:
    one.bind(("", 0))
    print(one.getsockname()[1])' >"${meeting}.tmp"
    mv "${meeting}.tmp" "${meeting}"
fi
until [[ -s ${meeting} ]]; do
    if ((SECONDS > 300)); then
        echo "# node ${SLURMD_NODENAME}: node ${first} has written no ${PWD}/${meeting} in 5 minutes: do they share this folder?"
        exit 1
    fi
    sleep 0.2
done
port=$(<"${meeting}")
echo "# node ${SLURMD_NODENAME}: ${processes} processes; ${SLURM_STEP_NUM_NODES} nodes meet at ${address}:${port}"
torchrun --nnodes "${SLURM_STEP_NUM_NODES}" --node_rank "${SLURM_NODEID}" --nproc_per_node "${processes}" \
    --master_addr "${address}" --master_port "${port}" "$@" ||
    { echo "# node ${SLURMD_NODENAME}: the training has ended with status $?" && exit 1; }
