"""What runs inside the containers to bring a model to a server: POSIX shell, as text.

Who pulls, and what that means for several replicas:

=========  =====================================================================================
lifecycle  a postStart hook of the server's own container. Runs in every replica, at every start of
           its container, also of replicas that are added later. The kubelet ends a container whose
           hook fails and tries again.
init       an init container that shares the volume: starts a server of its own on loopback,
           pulls, ends it. Runs in every replica before its server starts.
job        a Job that pulls on one pod after the other. A Service hands each connection to *one*
           pod, and to ready ones only, while pods are not ready before they have the model: so the
           Job asks a headless Service that also lists pods that are not ready. Reaches the pods
           of that moment; one that is added later waits for the next ``up``.
none       nobody: the model is in the image or on the volume, or is pulled by hand.
=========  =====================================================================================
"""

from __future__ import annotations

from collections.abc import Iterable
from shlex import quote

from kwdagger.llm.kubernetes.server_spec import ServerSpec

_WAIT = """\
tries=0
until ollama list >/dev/null 2>&1; do
  tries=$((tries + 1))
  if [ "$tries" -ge {tries} ]; then
    echo 'no answer from the Ollama server within {tries} s' >&2
    exit 1
  fi
  sleep 1
done
"""

_OWN_SERVER = """\
ollama serve &
server=$!
trap 'kill "$server"; wait "$server" || true' EXIT
"""

_ALL_PODS = """\
tries=0
while :; do
  pods=$(getent ahosts {peers} | awk '$2 == "STREAM" {{ print $1 }}' | sort -u)
  found=$(printf '%s' "$pods" | grep -c . || true)
  [ "$found" -lt {replicas} ] || break
  tries=$((tries + 1))
  if [ "$tries" -ge {tries} ]; then
    echo "found $found of {replicas} pods within {tries} s" >&2
    exit 1
  fi
  sleep 1
done
for pod in $pods; do
  case $pod in *:*) pod="[$pod]" ;; esac
  export OLLAMA_HOST="$pod:{port}"
  echo "pulling on $OLLAMA_HOST"
"""


def hook_script(spec: ServerSpec) -> str:
    """Return what the postStart hook runs: wait for the server, pull each model."""
    return 'set -e\n' + _wait(spec.start_seconds) + _pulls(spec.models)


def init_script(spec: ServerSpec) -> str:
    """Return what the init container runs: a server for as long as the pulls take."""
    return 'set -e\n' + _OWN_SERVER + _wait(spec.start_seconds) + _pulls(spec.models)


def job_script(spec: ServerSpec) -> str:
    """Return what the Job runs: pull each model on each pod of the headless Service.

    With a shared volume the first pull brings the files, the others find them there. Pods may be
    found long before their image has come, so it waits for as long as the Job may take.
    """
    loop = _ALL_PODS.format(
        peers=quote(spec.peers_name),
        replicas=spec.replicas,
        tries=spec.wait_seconds,
        port=spec.port,
    )
    body = _indented(_wait(spec.wait_seconds) + _pulls(spec.models))
    return f'set -e\n{loop}{body}done\n'


def presence_check(models: Iterable[str]) -> list[str]:
    """Return the command that succeeds once every model is on the server."""
    shows = [f'ollama show {quote(model)} >/dev/null' for model in models]
    return ['/bin/sh', '-c', ' && '.join(shows)]


def _wait(seconds: int) -> str:
    return _WAIT.format(tries=seconds)


def _pulls(models: Iterable[str]) -> str:
    return ''.join(f'ollama pull {quote(model)}\n' for model in models)


def _indented(text: str) -> str:
    return ''.join(f'  {line}\n' for line in text.splitlines())
