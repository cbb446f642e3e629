#!/usr/bin/env bash
# Train on several processes of one or more machines.
#   bash tools/dist_train.sh CONFIG GPUS [arguments of train.py]
# Environment: NNODES, NODE_RANK, MASTER_ADDR, PORT, PYTHON
set -euo pipefail

if [ $# -lt 2 ]; then
    echo "usage: $0 CONFIG GPUS [arguments of train.py]" >&2
    exit 2
fi
CONFIG=$1
GPUS=$2

exec "${PYTHON:-python}" -m torch.distributed.run \
    --nnodes="${NNODES:-1}" \
    --node_rank="${NODE_RANK:-0}" \
    --master_addr="${MASTER_ADDR:-127.0.0.1}" \
    --master_port="${PORT:-29500}" \
    --nproc_per_node="$GPUS" \
    "$(dirname "$0")/train.py" "$CONFIG" --launcher pytorch "${@:3}"
