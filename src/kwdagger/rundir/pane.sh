# A terminal with one worker. The worker gets a session of its own, so that no program waits for
# keys that nobody types; what ends the terminal ends the worker, and both leave a mark.
# usage: bash pane.sh NUMBER

stops=0 worker=
pass_on() {
    ((++stops))
    : >"$marks/stop"
    [[ $worker ]] && kill -s "$1" -- "-$worker"
} 2>/dev/null
for name in HUP INT TERM; do
    trap "pass_on $name" "$name"
done
unset TMUX TMUX_PANE TMUX_TMPDIR
detach=
command -v setsid >/dev/null && detach=setsid
(
    trap - HUP INT TERM
    exec $detach bash "$script" "$1"
) &
worker=$!
while :; do
    seen=$stops
    wait "$worker"
    status=$?
    ((seen == stops)) && break
done
: >"$marks/worker-$1.done"
if [[ $keep && $status == 1 && $stops == 0 ]]; then
    trap - HUP INT TERM
    printf '\nEnter closes this pane.\n'
    read -r
fi
