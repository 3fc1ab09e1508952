#!/usr/bin/env bash
# An mv that takes its time between two renames, so that it can be struck in the middle.
if [[ $1 == -t ]]; then
    target=$2
    shift 3
    for name; do
        sleep "0.0$((RANDOM % 4 + 1))"
        "$KILLS_MV" -t "$target" -- "$name" || exit
    done
    exit 0
fi
sleep "0.0$((RANDOM % 3))"
"$KILLS_MV" "$@"
status=$?
sleep "0.0$((RANDOM % 3))"
exit "$status"
