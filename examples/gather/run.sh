#!/usr/bin/env bash
# How strong a penalty?  k-fold cross-validation with a gather.  Usage: run.sh [RESULTS_FOLDER]
set -euo pipefail
mkdir -p "${1:-results/gather}"
out=$(cd "${1:-results/gather}" && pwd)
cd "$(dirname "${BASH_SOURCE[0]}")"

kwdagger schedule --params=params.yaml --root="$out" --backend=serial --run=1

kwdagger aggregate --target="$out" --eval_nodes=summarize --output_dpath="$out/aggregate" \
    --export_tables=True
