#!/usr/bin/env bash
# Test on a slurm cluster.
#   bash tools/slurm_test.sh PARTITION JOB CONFIG CHECKPOINT [test.py arguments]
# Environment: GPUS, GPUS_PER_NODE, CPUS_PER_TASK, SRUN_ARGS, PYTHON
set -euo pipefail

if [ $# -lt 4 ]; then
    echo "usage: $0 PARTITION JOB CONFIG CHECKPOINT [arguments of test.py]" >&2
    exit 2
fi
GPUS_PER_NODE=${GPUS_PER_NODE:-8}
# several options in one variable, so it is meant to be split into words
# shellcheck disable=SC2086
exec srun -p "$1" \
    --job-name="$2" \
    --gres=gpu:"$GPUS_PER_NODE" \
    --ntasks="${GPUS:-8}" \
    --ntasks-per-node="$GPUS_PER_NODE" \
    --cpus-per-task="${CPUS_PER_TASK:-5}" \
    --kill-on-bad-exit=1 \
    ${SRUN_ARGS:-} \
    "${PYTHON:-python}" -u "$(dirname "$0")/test.py" "$3" "$4" \
    --launcher=slurm "${@:5}"
