#!/usr/bin/env bash
# Run a command on a node of a cluster, in the environment of the recipe, which the cluster may not hand on:
#
#     on_node.sh COMMAND...
set -euo pipefail
. ./path.sh
exec "$@"
