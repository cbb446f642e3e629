#!/usr/bin/env bash
# Train on several processes of one or more machines.
#   bash tools/dist_train.sh CONFIG GPUS [arguments of train.py]
# Environment: NNODES, NODE_RANK, MASTER_ADDR, PORT, PYTHON, MAX_RESTARTS (how
# often a job that lost a process starts again, from its last checkpoint)
set -euo pipefail

if [ $# -lt 2 ]; then
    echo "usage: $0 CONFIG GPUS [arguments of train.py]" >&2
    exit 2
fi
CONFIG=$1
GPUS=$2

if [ "${MAX_RESTARTS:-0}" -gt 0 ]; then
    # Otherwise the processes share the launcher's store, and those that start
    # again find in it the addresses of the ones before.
    export TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1
    rendezvous=(--max_restarts="$MAX_RESTARTS" --rdzv_backend=c10d
        --rdzv_endpoint="${MASTER_ADDR:-127.0.0.1}:${PORT:-29500}")
else
    rendezvous=(--node_rank="${NODE_RANK:-0}"
        --master_addr="${MASTER_ADDR:-127.0.0.1}"
        --master_port="${PORT:-29500}")
fi

exec "${PYTHON:-python}" -m torch.distributed.run \
    --nnodes="${NNODES:-1}" \
    "${rendezvous[@]}" \
    --nproc_per_node="$GPUS" \
    "$(dirname "$0")/train.py" "$CONFIG" --launcher pytorch "${@:3}"
