#!/usr/bin/env bash
# What does a night measure, and what did the next one lose?  Usage: run.sh [RESULTS_FOLDER]
set -euo pipefail
mkdir -p "${1:-results/nightly_benchmark}"
NIGHTLY_RESULTS=$(cd "${1:-results/nightly_benchmark}" && pwd)
export NIGHTLY_RESULTS
cd "$(dirname "${BASH_SOURCE[0]}")"

# A sink whose package is missing stops a session before it starts, so it is added only if it is there.
configs=(--config benchmarks.yaml)
has_package='import sys; from importlib.util import find_spec; sys.exit(not find_spec(sys.argv[1]))'
if python3 -c "$has_package" mlflow && python3 -c "$has_package" sqlalchemy; then
    configs+=(--config mlflow.yaml)
else
    echo "MLflow is not installed, so it is not told (python -m pip install 'kwdagger[mlflow]')"
fi

kwdagger bench run "${configs[@]}" --session-name monday --reason 'the first night'
printf '\n'
kwdagger bench run "${configs[@]}" --config tuesday.yaml --session-name tuesday --quiet

printf '\nTuesday against Monday:\n\n'
regressed=0
kwdagger session compare monday tuesday --root "$NIGHTLY_RESULTS" --over repeat \
    --markdown "$NIGHTLY_RESULTS/reports/compare.md" \
    --junit "$NIGHTLY_RESULTS/reports/compare.xml" || regressed=$?
case $regressed in
    0) printf '\nNothing got worse.\n' ;;
    1) printf '\nSomething got worse: a CI job that ends with this exit code 1 is red.\n' ;;
    *) exit "$regressed" ;;
esac
