#!/usr/bin/env bash
# Run the examples and print their answers.  Usage: run_pipelines.sh [EXAMPLE ...]
#
# On first use this makes a virtual environment (.venv beside this script) and installs
# kwdagger into it. PYTHON=/path/to/python3 chooses the interpreter,
# KWDAGGER_EXAMPLE_FILE=/path/to/file adds a file of yours to the compression sweep,
# OLLAMA_URL=http://HOST:11434 lets the ollama examples ask that server and not an embedded one.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
venv=$here/.venv
python=${PYTHON:-python3}

die() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

# Make the virtual environment and install, unless that was done for this pyproject.toml.
install_once() {
    local stamp=$venv/.installed_llm_plot_for
    if [[ -x $venv/bin/kwdagger && -f $stamp ]] && cmp -s "$stamp" "$here/pyproject.toml"; then
        return
    fi
    command -v "$python" > /dev/null || die "$python is not on PATH (set PYTHON=...)"
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' \
        || die "$python is older than Python 3.10 (set PYTHON=...)"
    "$python" -c 'import ensurepip, venv' 2> /dev/null \
        || die "$python has no venv module (on Debian and Ubuntu: apt install python3-venv)"
    echo "Installing into $venv ..."
    [[ -x $venv/bin/python ]] || "$python" -m venv "$venv" || die "cannot make $venv"
    "$venv/bin/python" -m pip install -qq --disable-pip-version-check -e "${here}[llm,plot]" \
        || die 'pip cannot install the project (its messages are above)'
    cp "$here/pyproject.toml" "$stamp"
}

if [[ -n ${KWDAGGER_EXAMPLE_FILE:-} ]]; then
    [[ -f $KWDAGGER_EXAMPLE_FILE ]] || die "no such file: $KWDAGGER_EXAMPLE_FILE"
    KWDAGGER_EXAMPLE_FILE=$(realpath "$KWDAGGER_EXAMPLE_FILE")
fi
(($#)) || set -- gather twostage compression ollama_benchmark ollama_batch nightly_benchmark
for name; do
    [[ -x $here/examples/$name/run.sh ]] || die "no such example: $name"
done

install_once
export PATH=$venv/bin:$PATH

failed=()
for name; do
    printf '\n=== %s ===\n\n' "$name"
    "$here/examples/$name/run.sh" "$here/results/$name" || failed+=("$name")
done

printf "\nResults:\n"
printf "    $here/results/%s\n" "$@"
((${#failed[@]} == 0)) || die "failed: ${failed[*]}"
