# Limits of time. Only in run scripts that have one.

# A clock that rings when the time is up. It reads from a pipe that the run script's shells hold:
# it ends when they are gone, and if only the one that started it is, it ends the program.
kw_start_clock() {
    local last=$((${#kw_timeouts[@]} - 1))
    # A later try may be given more time.
    kw_timeout=${kw_timeouts[kw_tries < last ? kw_tries : last]}
    exec {kw_clock_fd}> >(kw_clock)
}

kw_clock() {
    local group group_start=
    trap '' HUP INT TERM ALRM
    exec >/dev/null 2>&1
    eval "exec {kw_fd}>&- $kw_closers"
    [[ ${kw_journal_fd-} ]] && exec {kw_journal_fd}>&-
    read -r group || exit
    kw_stat "$group" && group_start=${kw_fields[19]}
    read -r -t "$kw_timeout"
    (($? > 128)) || exit
    if kw_stat $$ && [[ ${kw_fields[19]} == "$kw_self_start" && ${kw_fields[0]} != [ZX] ]]; then
        kill -s ALRM $$
    elif kw_stat "$group" && [[ ${kw_fields[19]} == "$group_start" ]]; then
        kill -s TERM -- "-$group"
        read -r -t 10
        (($? > 128)) && kill -s KILL -- "-$group"
    fi
}

# Trap: the clock rang.
kw_time_up() {
    [[ $kw_child_pid && $kw_clock_fd ]] || return 0
    ((++kw_stops))
    kw_timed_out=1
    kw_signal_group TERM
}
