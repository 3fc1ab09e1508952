#!/usr/bin/env bash
# Run a night in the container.  Usage: run.sh [OPTION OF kwdagger bench docker ...]
#
#   tools/run.sh --session-name monday
#   tools/run.sh --dry-run                  only print the call of docker
#   tools/run.sh --shell                    look around in the container
#
#   IMAGE            name of the image that build_docker.sh made    (kwdagger-bench)
#   NIGHTLY_RESULTS  where results go                               (results/nightly_benchmark)
#   GPUS             see `kwdagger bench docker --help`
set -euo pipefail
NIGHTLY_RESULTS=$(realpath -m "${NIGHTLY_RESULTS:-results/nightly_benchmark}")
export NIGHTLY_RESULTS
cd "$(dirname "${BASH_SOURCE[0]}")/.."

command -v kwdagger > /dev/null || {
    echo "error: kwdagger is not on PATH; it computes the call: python3 -m pip install kwdagger" >&2
    exit 2
}
exec kwdagger bench docker --config benchmarks.yaml --config mlflow.yaml \
    --image "${IMAGE:-kwdagger-bench}" "$@"
