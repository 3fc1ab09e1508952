#!/usr/bin/env bash
# Build the image of the nightly benchmark and print its digest.  Usage: build_docker.sh [OPTION ...]
#
# Options go to the builder: the first of docker, podman and buildah that works here, or BUILDER.
#   IMAGE       name of the image                                     (kwdagger-bench)
#   BASE_IMAGE  what it rests on: Python 3.10 or newer, with pip      (see the Dockerfile)
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
top=$(cd "$here/../.." && pwd)

die() {
    printf 'error: %s\n' "$*" >&2
    exit 2
}

# A client without a daemon, such as docker in many CI jobs, cannot build.
works() {
    command -v "$1" > /dev/null && "$1" info > /dev/null 2>&1
}

builder=${BUILDER:-}
if [[ -n $builder ]]; then
    command -v "$builder" > /dev/null || die "$builder is not on PATH (BUILDER)"
else
    for name in docker podman buildah; do
        if works "$name"; then
            builder=$name
            break
        fi
    done
fi
[[ -n $builder ]] || die 'none of docker, podman and buildah works here: install one, or name it in BUILDER'

# What the image is made of: the commit, with a + where files differ from it.
revision=unknown
if commit=$(git -C "$top" rev-parse HEAD 2> /dev/null); then
    revision=$commit
    git -C "$top" diff --quiet HEAD 2> /dev/null || revision+=+
fi

options=(--file "$here/Dockerfile" --tag "${IMAGE:-kwdagger-bench}" --build-arg "REVISION=$revision")
[[ -z ${BASE_IMAGE:-} ]] || options+=(--build-arg "BASE_IMAGE=$BASE_IMAGE")
case ${builder##*/} in
    buildah) options+=(--isolation chroot --ignorefile "$here/Dockerfile.dockerignore") ;;
    podman) options+=(--ignorefile "$here/Dockerfile.dockerignore") ;;
esac

digest_file=$(mktemp)
trap 'rm -f "$digest_file"' EXIT
# What a builder says goes to stderr: stdout is the digest alone.
"$builder" build "${options[@]}" --iidfile "$digest_file" "$@" "$top" >&2
cat "$digest_file"
printf '\n'
