#!/usr/bin/env bash
# How fast does a model answer, from cold and warm?  Usage: run.sh [RESULTS_FOLDER]
#
# OLLAMA_URL=http://HOST:11434 measures that server; MODELS='[a, b]' says which of its models.
# Without it an embedded test server is measured: no GPU, no download, and figures that its
# options make (see run_pipelines.sh for what else can be set). Each server has results of its
# own, in a folder of its name (HOST-11434, or embedded) below RESULTS_FOLDER.
set -euo pipefail
name=embedded
if [[ -n ${OLLAMA_URL:-} ]]; then
    name=$(sed -E 's#[a-z]+://|[^/@]*@##g; s#/+$##; s#[^A-Za-z0-9._-]+#-#g' <<< "$OLLAMA_URL")
fi
mkdir -p "${1:-results/ollama_benchmark}/$name"
EVAL_DPATH=$(cd "${1:-results/ollama_benchmark}/$name" && pwd)
cd "$(dirname "${BASH_SOURCE[0]}")"
export EVAL_DPATH COLD_RESET_CMD=${COLD_RESET_CMD-}

if [[ -n ${OLLAMA_URL:-} ]]; then
    printf 'Measuring the server at %s (OLLAMA_URL); results go into %s.\n\n' \
        "$OLLAMA_URL" "$EVAL_DPATH"
    ./run_pipelines.sh
    exit
fi

coproc SERVER {
    exec kwdagger llm mock --port 0 --models gemma3:12b,gemma3:1b --num_parallel 2 \
        --load_s 0.15 --first_token_extra_s 0.01 --prefill_s_per_token 0.0001 --itl_s 0.003 \
        --slowdown 0.5 --lifeline
}
trap 'kill "$server" 2> /dev/null; wait "$server" 2> /dev/null || true' EXIT
server=$SERVER_PID
read -r EMBEDDED_OLLAMA_URL <&"${SERVER[0]}" || {
    echo 'error: the embedded server did not start' >&2
    exit 1
}
export EMBEDDED_OLLAMA_URL
printf 'Measuring the embedded test server at %s: no model runs there.\n' "$EMBEDDED_OLLAMA_URL"
printf 'Set OLLAMA_URL to measure a server of yours.\n\n'

# Its port differs each time. The id of a run is made of the variable's name, not of its value.
OLLAMA_URL='$EMBEDDED_OLLAMA_URL' CONCURRENCY=${CONCURRENCY:-[0, 2]} ./run_pipelines.sh
