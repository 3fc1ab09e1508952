#!/usr/bin/env bash
# Which compressor, at which level?  Usage: run.sh [RESULTS_FOLDER]
# KWDAGGER_EXAMPLE_FILE=/path/to/file adds a file of yours to the sweep.
set -euo pipefail
mkdir -p "${1:-results/compression}"
out=$(cd "${1:-results/compression}" && pwd)
cd "$(dirname "${BASH_SOURCE[0]}")"

python3 prepare.py "$out/inputs" ${KWDAGGER_EXAMPLE_FILE:+"$KWDAGGER_EXAMPLE_FILE"}

kwdagger schedule --root="$out" --backend=serial --run=1 --params="
    pipeline: pipeline.py::compression()
    matrix:
        compress.src: {__include__: '$out/inputs/files.json'}
        compress.codec: {__include__: '$out/inputs/codecs.json'}
        submatrices:
            - {compress.codec: gzip,  compress.level: [1, 6, 9]}
            - {compress.codec: bzip2, compress.level: [1, 9]}
            - {compress.codec: xz,    compress.level: [0, 3, 6, 9]}
            - {compress.codec: zstd,  compress.level: [1, 3, 9, 15, 19]}
"

kwdagger aggregate --target="$out" --eval_nodes=check --output_dpath="$out/aggregate" \
    --export_tables=True --stdout_report=False

python3 pareto.py "$out/aggregate"
