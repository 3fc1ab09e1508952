#!/usr/bin/env bash
# Ollama on Kubernetes: models on every replica, then load.  Usage: run.sh [RESULTS_FOLDER]
#
# Without a cluster, scripted servers play the replicas. With OLLAMA_URL=http://host:port the load
# goes there, such as to the Service of a cluster. MODEL, REPLICAS (of the play), CONCURRENCY (a
# YAML list) and DURATION (such as 2m, in place of ten requests) may be set. Each server has
# results of its own, in a folder of its name (host-port, or scripted) below RESULTS_FOLDER.
set -euo pipefail
name=scripted
if [[ -n ${OLLAMA_URL:-} ]]; then
    name=$(sed -E 's#[a-z]+://|[^/@]*@##g; s#/+$##; s#[^A-Za-z0-9._-]+#-#g' <<< "$OLLAMA_URL")
fi
mkdir -p "${1:-results/ollama_kubernetes}/$name"
out=$(cd "${1:-results/ollama_kubernetes}/$name" && pwd)
cd "$(dirname "${BASH_SOURCE[0]}")"
MODEL=${MODEL:-qwen2:1.5b}
REPLICAS=${REPLICAS:-3}
CONCURRENCY=${CONCURRENCY:-[1, 2, 4]}
DURATION=${DURATION:-}
prompt='Write a limerick about Kubernetes'

pids=()
trap '((${#pids[@]} == 0)) || kill "${pids[@]}" 2> /dev/null' EXIT

# Start a server and put the URL that it prints first into $url.
start() {
    exec {server}< <(exec "$@")
    pids+=("$!")
    read -r url <&"$server" || { echo "error: no server: $*" >&2; exit 1; }
}

# Send so many requests at a time to the Service; print how they were answered, and not how fast.
answers_of() {
    kwdagger llm load -c "$1" -n "$1" --model="$MODEL" --prompt="$prompt" "$service" \
        | sed -n '/^Status code/,$p' || true
}

say() { printf '\n== %s\n' "$*"; }

say 'What a cluster would be told'
kwdagger llm k8s render --model="$MODEL" --replicas="$REPLICAS" --output_dir="$out/manifests"

if [[ -n ${OLLAMA_URL:-} ]]; then
    say "The server at $OLLAMA_URL"
    kwdagger llm pull "$MODEL" --url="$OLLAMA_URL" --quiet
    printf '{"%s": "%s"}\n' "$OLLAMA_URL" "$OLLAMA_URL" > "$out/servers.json"
    replicas="['$OLLAMA_URL']"
else
    say "$REPLICAS replicas without the model, behind a Service (scripted servers)"
    pods=()
    for ((i = 0; i < REPLICAS; i++)); do
        start kwdagger llm mock --models= --catalogue='*' \
            --num_parallel=4 --num_predict=4 --itl_s=0.025 --slowdown=0.6
        pods+=("$url")
        echo "replica $((i + 1)): $url"
    done
    start python3 service.py "${pods[@]}"
    service=$url
    echo "Service:   $service"

    say 'Asked for a model that it has not'
    answers_of 1

    say 'Pulled through the Service: on one replica'
    kwdagger llm pull "$MODEL" --url="$service" --quiet
    answers_of "$REPLICAS"

    say 'Pulled on every replica, as the postStart hook of the manifests does'
    for pod in "${pods[@]}"; do
        kwdagger llm pull "$MODEL" --url="$pod" --quiet
    done
    printf '{"1": "%s", "%s": "%s"}\n' "${pods[0]}" "$REPLICAS" "$service" > "$out/servers.json"
    replicas="[1, $REPLICAS]"
fi

say "Load: $CONCURRENCY requests at a time"
kwdagger schedule --params="
    pipeline: pipeline.yaml
    matrix:
      load.replicas: $replicas
      load.concurrency: $CONCURRENCY
      load.duration: '$DURATION'
      load.model: '$MODEL'
      load.prompt: '$prompt'
      load.servers: '$out/servers.json'
    " --root="$out" --backend=serial --run=1
kwdagger aggregate --pipeline=pipeline.yaml --target="$out" --eval_nodes=load \
    --output_dpath="$out/aggregate" --export_tables=True > "$out/aggregate.txt"

say 'More at a time: somewhat more throughput, much more latency'
python3 table.py "$out/aggregate"
