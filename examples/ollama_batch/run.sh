#!/usr/bin/env bash
# Notes of clinicians become rows of a table.  Usage: run.sh [RESULTS_FOLDER]
#
# OLLAMA_URL=http://HOST:11434 asks that server (several: with commas); MODELS='[a, b]' says which
# of its models. Without it two embedded test servers are asked: no GPU, no download, and answers
# that follow the schema but mean nothing. Each choice of servers has results of its own, in a
# folder of its name (HOST-11434, or embedded) below RESULTS_FOLDER.
set -euo pipefail
name=embedded
if [[ -n ${OLLAMA_URL:-} ]]; then
    name=$(sed -E 's#([a-z]+://|[^/,@]*@)##g; s#/+(,|$)#\1#g; s#[^A-Za-z0-9._-]+#-#g' \
        <<< "$OLLAMA_URL")
fi
mkdir -p "${1:-results/ollama_batch}/$name"
out=$(cd "${1:-results/ollama_batch}/$name" && pwd)
cd "$(dirname "${BASH_SOURCE[0]}")"
models=${MODELS:-[llama3.2, 'gemma3:1b']}

serve() {
    kwdagger llm mock --port 0 --models llama3.2,gemma3:1b --num_parallel 8 --itl_s 0.002 --lifeline
}

if [[ -n ${OLLAMA_URL:-} ]]; then
    servers=$OLLAMA_URL
    printf 'Asking %s (OLLAMA_URL); answers go into %s.\n\n' "$servers" "$out"
else
    coproc SERVERS {
        exec {life}<&0 # they end when this closes, as it does with this script
        serve <&"$life" &
        serve <&"$life" &
        wait
    }
    pid=$SERVERS_PID
    trap 'exec {SERVERS[1]}>&-; wait "$pid" || true' EXIT
    read -r one <&"${SERVERS[0]}" && read -r two <&"${SERVERS[0]}" || {
        echo 'error: the embedded servers did not start' >&2
        exit 1
    }
    servers=$one,$two
    printf 'Asking the embedded test servers at %s and %s: no model runs there.\n' "$one" "$two"
    printf 'Set OLLAMA_URL to ask a server of yours.\n\n'
fi

# By hand: one model, as config.toml says, and the table of what it found.
model=$(sed 's/^\[\([^],]*\).*/\1/' <<< "$models")
kwdagger llm batch --config=config.toml --prompts=notes.jsonl --model="$model" \
    --instances="$servers" --output_dir="$out/by_hand"
kwdagger llm merge --input_dir="$out/by_hand" --output_file="$out/notes.json" --with_source

# The variable's name, not its value, is in the commands: they stay the same when servers move.
export EXTRACTION_SERVERS=$servers

# As a sweep: which model, and which way of asking, agrees best with labels made by hand?
kwdagger schedule --root="$out" --backend=serial --run=1 --params="
    pipeline: 'pipeline.py::extraction()'
    matrix:
        llm_batch.prompts: notes.jsonl
        llm_batch.format: schema.json
        llm_batch.temperature: 0
        llm_batch.num_predict: 400
        llm_batch.model: $models
        llm_batch.system_message:
            - 'Extract the fields of the schema from the note.'
            - 'Extract the fields of the schema from the note. What it does not say is unknown.'
        llm_batch.instances: '\$EXTRACTION_SERVERS'
        score.labels: labels.json
    "
kwdagger aggregate --pipeline='pipeline.py::extraction()' --target="$out" --eval_nodes=score \
    --output_dpath="$out/aggregate" --export_tables=True
