#!/usr/bin/env bash
# On each node of a step of Slurm's, so many processes of a Python program, all together the ranks of one training:
#
#     srun --nodes 2 --ntasks-per-node 1 bash scripts/on_node.sh bash scripts/on_each_node.sh 4 -m espnet_mlclap.bin.train ...
#
# They meet on the first node, at the address at which Slurm reaches it.
set -euo pipefail
processes=$1
shift
first=$(scontrol show hostnames "${SLURM_STEP_NODELIST}" | head -n 1)
address=$(scontrol show node "${first}" --oneliner | sed -nE 's/.* NodeAddr=([^ ]+).*/\1/p')
# a port of its own for each job, below those that systems give away
port=$((10000 + SLURM_JOB_ID % 20000))
echo "# node ${SLURMD_NODENAME}: ${processes} processes; ${SLURM_STEP_NUM_NODES} nodes meet at ${address}:${port}"
torchrun --nnodes "${SLURM_STEP_NUM_NODES}" --node_rank "${SLURM_NODEID}" --nproc_per_node "${processes}" \
    --master_addr "${address}" --master_port "${port}" "$@" ||
    { echo "# node ${SLURMD_NODENAME}: the training has ended with status $?" && exit 1; }
