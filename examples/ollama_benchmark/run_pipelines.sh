#!/usr/bin/env bash
# Measure models on an Ollama server, each from cold and warm.  Usage: run_pipelines.sh
#
# The environment says what, where and how:
#   EVAL_DPATH      results folder                               (./results_ollama)
#   OLLAMA_URL      the server                                   (http://localhost:11434)
#   COLD_RESET_CMD  what restarts it, before each cold trial;    (docker restart ollama)
#                   empty: the model is unloaded instead
#   MODELS          a YAML list                                  ([gemma3:12b, gemma3:1b])
#   CONCURRENCY     a YAML list: requests at a time              ([0])
#   PULL            missing: pull models that the server lacks   (never)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

EVAL_DPATH=${EVAL_DPATH:-$PWD/results_ollama}
OLLAMA_URL=${OLLAMA_URL:-http://localhost:11434}
COLD_RESET_CMD=${COLD_RESET_CMD-docker restart ollama}
MODELS=${MODELS:-[gemma3:12b, gemma3:1b]}
CONCURRENCY=${CONCURRENCY:-[0]}
PULL=${PULL:-never}

failed=0
kwdagger schedule \
    --params="
        pipeline: 'pipelines.py::ollama_benchmark_pipeline()'
        matrix:
            ollama_benchmark.prompt_fpath:
                - prompts_5.yaml
            ollama_benchmark.model: $MODELS
            ollama_benchmark.cold_trials:
                - 3
            ollama_benchmark.warm_trials:
                - 3
            ollama_benchmark.concurrency: $CONCURRENCY
            ollama_benchmark.ollama_url:
                - '$OLLAMA_URL'
            ollama_benchmark.cold_reset_cmd:
                - '$COLD_RESET_CMD'
            ollama_benchmark.pull: $PULL
            ollama_benchmark.notes:
                - 'Run on $HOSTNAME'
    " \
    --root="$EVAL_DPATH" \
    --backend=serial \
    --skip_existing=1 \
    --run=1 || failed=$?
((failed != 2)) || exit 2 # nothing was started

kwdagger aggregate \
    --pipeline='pipelines.py::ollama_benchmark_pipeline()' \
    --target "$EVAL_DPATH" \
    --output_dpath="$EVAL_DPATH/full_aggregate" \
    --eval_nodes='ollama_benchmark'

echo
python custom_aggregate.py \
    --pattern="$EVAL_DPATH/ollama_benchmark/*/ollama_benchmark.json" \
    --plots_dpath="$EVAL_DPATH/plots"
exit "$failed"
