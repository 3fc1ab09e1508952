#!/usr/bin/env bash
# Which keyword tells good reviews from bad ones?  Usage: run.sh [RESULTS_FOLDER]
set -euo pipefail
mkdir -p "${1:-results/twostage}"
out=$(cd "${1:-results/twostage}" && pwd)
cd "$(dirname "${BASH_SOURCE[0]}")"

kwdagger schedule --root="$out" --backend=serial --run=1 --params="
    pipeline: pipeline.py::sentiment()
    matrix:
        predict.reviews: [data/films.jsonl, data/kitchen.jsonl]
        predict.keyword: [great, love, recommend]
"

kwdagger aggregate --target="$out" --eval_nodes=evaluate --output_dpath="$out/aggregate" \
    --macro_by=reviews --export_tables=True
