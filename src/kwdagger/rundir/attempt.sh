# One attempt: start the work, wait, judge, publish the record.

# Folders of outputs and lists of gathered paths, where they are missing.
kw_prepare() {
    local index name count folder
    for ((index = 1; index < ${#kw_outputs[@]}; index += 2)); do
        [[ ${kw_outputs[index]} == */* ]] || continue
        kw_output_path "${kw_outputs[index]}"
        folder=${kw_output%/*}
        [[ -d ${folder:=/} ]] || mkdir -p -- "$folder" || return
    done
    index=0
    while ((index < ${#kw_gathers[@]})); do
        name=$kw_dir/_gather/${kw_gathers[index]}.txt count=${kw_gathers[index + 1]}
        if [[ ! -e $name || $kw_moved ]]; then
            [[ -d $kw_dir/_gather ]] || mkdir -- "$kw_dir/_gather" || return
            printf '%s\n' "${kw_gathers[@]:index + 2:count}" >"$name.tmp" || return
            mv -T -- "$name.tmp" "$name" || return
        fi
        ((index += 2 + count))
    done
}

# All work on the directory happens in this process group: it says who it is, stops where its
# parent is gone (see claim.sh), clears the ground and runs the program.
kw_child() {
    local status=0 gate
    set +m
    kw_phase=alone
    trap 'kw_caught 129' HUP
    trap 'kw_caught 130' INT
    trap 'kw_caught 143' TERM
    trap : USR1 USR2
    trap 'printf "%d\n" "$BASHPID" >"/proc/$$/fd/$kw_bell"' EXIT
    kw_closers+=" $kw_bell>&-"
    kw_stat self
    printf ',"pgid":%d,"pgid_start":%d,"sid":%d' "$BASHPID" "${kw_fields[19]}" "${kw_fields[3]}" >&"$kw_fd" || exit 73
    kw_stat self
    [[ ${kw_fields[1]} == "$$" && -e $kw_claim ]] || exit 75
    if ! { ((${#kw_aside[@]} + ${#kw_dead[@]} + ${#kw_retired} == 0)) || kw_clear; } || ! kw_prepare || ! kw_open_log; then
        printf ',"blocked":true' >&"$kw_fd"
        exit 73
    fi
    unset TZ
    [[ $kw_has_zone ]] && export TZ=$kw_zone
    cd -- "$kw_cwd" || exit
    [[ $kw_path ]] && PATH=$kw_path:$PATH
    export PATH
    [[ $kw_visible ]] && export CUDA_VISIBLE_DEVICES=$kw_visible
    for gate in ${kw_has_surroundings:+kw_surroundings} ${kw_service:+kw_enter_service} ${kw_has_setup:+kw_setup}; do
        eval "$gate $kw_closers" || {
            status=$?
            printf ',"setup_exit_code":%d' "$status" >&"$kw_fd"
            exit "$status"
        }
    done
    exec {kw_fd}>&-
    [[ ${kw_journal_fd-} ]] && exec {kw_journal_fd}>&-
    if [[ ! $kw_has_teardown && ! $kw_tee_pid ]]; then
        eval "kw_program $kw_closers"
        exit
    fi
    kw_phase=teardown
    kw_flags=$-
    set +e
    (
        trap 'exit 129' HUP
        trap 'exit 130' INT
        trap 'exit 143' TERM
        trap : USR1 USR2
        [[ $kw_flags == *e* ]] && set -e
        eval "kw_program $kw_closers"
    )
    status=$?
    [[ $kw_has_teardown ]] && (eval "kw_teardown $kw_closers")
    if [[ $kw_tee_pid ]]; then
        exec >&- 2>&-
        for _ in {1..40}; do
            kill -s 0 "$kw_tee_pid" || break
            sleep 0.05
        done
    fi
    exit "$status"
}

# Output goes to the log, through tee only where people look on.
kw_open_log() {
    kw_tee_pid=
    [[ $kw_log ]] || return 0
    if [[ -t 1 && ! ${kw_quiet-} ]]; then
        exec > >(
            trap '' INT TERM HUP
            eval "exec {kw_fd}>&- $kw_closers"
            exec tee -- "$kw_dir/job.log"
        ) 2>&1
        kw_tee_pid=$!
        return 0
    fi
    { exec >"$kw_dir/job.log"; } 2>/dev/null && exec 2>&1
}

# The shell of the group outlives the command that it waits for, so that a stop is over only
# when the command is; where a teardown is due it outlives that too.
kw_caught() {
    [[ $kw_phase == teardown ]] || exit "$1"
}

# How often the kernel has killed for want of memory, as our cgroup counts it: kw_oom_kills.
kw_count_oom_kills() {
    local line path=
    kw_oom_kills=0
    if [[ ! ${kw_oom_file+known} ]]; then
        kw_oom_file=
        while IFS= read -r line; do
            case $line in
                *:memory:*) path=/sys/fs/cgroup/memory${line#*:memory:}/memory.oom_control ;;
                0::*) path=/sys/fs/cgroup${line#0::}/memory.events ;;
                *) continue ;;
            esac
            [[ -r $path ]] && kw_oom_file=$path && break
        done </proc/self/cgroup
    fi
    [[ $kw_oom_file ]] || return
    while IFS= read -r line; do
        [[ $line == 'oom_kill '* ]] && kw_oom_kills=${line#oom_kill }
    done <"$kw_oom_file"
} 2>/dev/null

# Start the work as kw_child_pid, a process group of its own.
kw_start() {
    kw_count_oom_kills
    kw_oom_before=$kw_oom_kills
    kw_set_deadline
    [[ ${kw_bell-} ]] || exec {kw_bell}<> <(:)
    set -m
    kw_child </dev/null &
    kw_child_pid=$!
    set +m
    [[ $kw_stop_signal && ! $kw_forwarded ]] && kw_stop "$kw_stop_name" "$kw_stop_signal"
}

# Trap: pass a stop on to the program, if there is one, and remember it.
kw_stop() {
    ((++kw_stops))
    kw_stop_name=$1 kw_stop_signal=$2
    [[ $kw_child_pid ]] && kw_signal_group "$1" && kw_forwarded=$2
}

# Trap: pass on what programs use among themselves.
kw_pass_on() {
    ((++kw_stops))
    [[ $kw_child_pid ]] && kill -s "$1" -- "-$kw_child_pid" 2>/dev/null
}

# Send the group the signal that ends it. No `read` here, as it would undo the time limit of the
# one that the trap interrupts.
kw_signal_group() {
    kw_sent=$1 kw_sent_at=${EPOCHREALTIME-}
    kill -s "$1" -- "-$kw_child_pid" 2>/dev/null || return
    kill -s CONT -- "-$kw_child_pid" 2>/dev/null
    return 0
}

# Wait for the program: kw_status. `wait` alone loses a signal that comes in the moment before
# it blocks. So the child rings a bell when it ends, and we look up now and then.
kw_wait() {
    local pause=2 odd=0 seen said status text uptime
    while :; do
        if [[ $kw_timeout && ! $kw_timed_out ]]; then
            read -r uptime _ </proc/uptime
            ((pause > kw_deadline - ${uptime/./})) && pause=$((kw_deadline - ${uptime/./}))
            ((pause > 0)) || kw_time_up
        fi
        printf -v text '%d.%02d' $((pause / 100)) $((pause % 100))
        said=
        read -r -t "$text" -u "$kw_bell" said
        [[ $said == "$kw_child_pid" ]] && break
        [[ $said && ${kw_service-} ]] && kw_hear_service "$said"
        [[ $kw_forwarded || $kw_timed_out ]] && kw_wait_for_group
        kw_stat "$kw_child_pid" && [[ ${kw_fields[0]} != [ZX] ]] || break
        pause=$((pause < 50 ? 2 * pause + 1 : 100))
    done
    [[ $kw_forwarded || $kw_timed_out ]] && kw_wait_for_group
    kw_status=
    while :; do
        seen=$kw_stops
        wait "$kw_child_pid"
        status=$?
        # Interrupted at the wrong moment, bash says -1.
        ((status < 0 && ++odd < 100)) && continue
        [[ $status == 127 && $kw_status ]] || kw_status=$status
        ((seen == kw_stops)) && break
    done
    kw_ended_pid=$kw_child_pid kw_child_pid=
}

# What a failed program left running ends with it: the next attempt would meet it.
kw_end_rest() {
    kw_child_pid=$kw_ended_pid
    kw_signal_group TERM && kw_wait_for_group
    kw_child_pid=
}

# The limit of this try. A later one may be given more time.
kw_set_deadline() {
    local last=$((${#kw_timeouts[@]} - 1)) fraction=00
    kw_timeout= kw_timed_out=
    ((last < 0)) && return
    [[ ${kw_service-} && ! $kw_service_begun ]] && return
    kw_timeout=${kw_timeouts[kw_tries < last ? kw_tries : last]}
    [[ $kw_timeout == *.* ]] && fraction=${kw_timeout#*.}0
    kw_deadline=$((kw_started_uptime + ${kw_timeout%.*} * 100 + 10#${fraction:0:2}))
}

kw_time_up() {
    kw_timed_out=1 pause=50
    kw_signal_group TERM
}

# After a stop nothing of the group may go on: ten seconds, then KILL. A process that was being
# started when the signal came may have missed it, so whatever is that young gets it again,
# a teardown excepted.
kw_wait_for_group() {
    local tries pid end= sent=0
    kw_group=$kw_child_pid kw_group_start=0
    kw_stat "$kw_group" && kw_group_start=${kw_fields[19]}
    [[ $kw_sent_at ]] &&
        sent=$(((${kw_sent_at//[.,]/} - kw_started) / 10000 + kw_started_uptime))
    kw_stat self
    kw_group_session=${kw_fields[3]}
    for ((tries = 1; ; ++tries)); do
        kw_group_lives || return 0
        kw_now
        if ((kw_uptime > ${end:=$((kw_uptime + ${kw_grace:-1000}))})); then
            ((kw_uptime > end + 2000)) && return
            kill -s KILL -- "-$kw_group" 2>/dev/null
        elif ((tries % 20 == 5)); then
            kw_members $((sent - 5)) $((sent + 5))
            for pid in "${kw_pids[@]}"; do
                [[ $kw_has_teardown && $pid != "$kw_group" ]] || kill -s "$kw_sent" "$pid" 2>/dev/null
            done
        fi
        sleep 0.05
    done
}

# What the exit status means: kw_state, kw_signal, kw_reason, and kw_status as our own.
# 75 or 73: the child ran nothing, as the directory is not ours any more or cannot be written.
kw_judge() {
    local text=
    kw_state=passed kw_signal=null kw_reason= kw_exit_code=$kw_status
    if [[ $kw_status == 0 ]]; then
        kw_outputs_exist && return
        kw_state=failed kw_status=1 kw_reason="output is missing: $kw_missing"
        return 0
    fi
    # Until the program has a group of its own, it gets what our group gets, and maybe before us.
    [[ $kw_stop_signal && ! $kw_timed_out && $kw_status == "$((128 + kw_stop_signal))" ]] && kw_forwarded=$kw_stop_signal
    if [[ $kw_forwarded ]]; then
        kw_state=cancelled kw_signal=$kw_forwarded kw_status=$((128 + kw_forwarded))
        kw_reason="stopped by signal $kw_forwarded"
    elif [[ $kw_timed_out ]]; then
        kw_state=timeout kw_status=124 kw_exit_code=124 kw_reason="timed out after $kw_timeout s"
    elif ((kw_status > 128 && kw_status < 160)); then
        kw_state=killed kw_signal=$((kw_status - 128)) kw_reason="killed by signal $kw_signal"
        if [[ $kw_signal == 9 ]]; then
            kw_count_oom_kills
            ((kw_oom_kills > kw_oom_before)) && kw_state=oom kw_reason='killed by the kernel: out of memory'
        fi
    else
        kw_state=failed kw_reason="exit code $kw_status"
        [[ -e $kw_claim ]] || return 75
        IFS= read -r text 2>/dev/null <"$kw_claim"
        [[ $text == *',"blocked":'* ]] && return 73
        if [[ $text == *',"setup_exit_code":'* ]]; then
            kw_reason="setup failed with $kw_reason (preamble or setup)"
        elif [[ -s $kw_dir/.reason ]]; then
            read -r kw_reason <"$kw_dir/.reason"
        elif [[ $kw_status == 127 ]]; then
            kw_reason+=' (command not found)'
        elif [[ $kw_status == 126 ]]; then
            kw_reason+=' (not executable)'
        fi
    fi
    return 0
}

# Append the rest of the record to the claim and rename it: recorded and let go at once.
# A stop of the whole queue hits mv as well: what counts is what it did.
kw_rename() {
    local tries line=
    for tries in 1 2 3; do
        LC_ALL=C mv -T -- "$kw_claim" "$kw_dir/job_status.json" && return 0
        [[ -e $kw_claim ]] || break
    done
    IFS= read -r line 2>/dev/null <"$kw_dir/job_status.json"
    [[ $line == *",\"pid\":$$,\"pid_start\":$kw_self_start,"* && $line == *"\"attempt\":$kw_attempt,"* ]]
}

# Append the rest of the record to the claim and close it.
kw_complete() {
    local wall uptime cpu reason=null handed=${kw_handed:-'null,"queue":null,"queue_job":null'}
    kw_now
    kw_stat self
    wall=$((kw_micros - kw_started)) uptime=$(((kw_uptime - kw_started_uptime) * 10000))
    # The clock may have been set meanwhile; the uptime is coarse but steady.
    ((wall - uptime > 500000 || uptime - wall > 500000)) && wall=$uptime
    cpu=$((kw_fields[13] + kw_fields[14] - kw_started_cpu))
    if [[ $kw_reason ]]; then
        kw_json "$kw_reason"
        reason=$kw_text
    fi
    kw_json "$kw_version"
    [[ $kw_slurm_job ]] && handed="${handed%,\"queue_job\":*},\"queue_job\":\"$kw_slurm_job\""
    printf ',"exit_code":%s,"signal":%s,"state":"%s","reason":%s,"ended_at":"%s","wall_seconds":%d.%06d,"cpu_seconds":%d.%02d,"session":%s,"version":%s,"fingerprints":%s,"upstream":{%s}}}\n' \
        "$kw_exit_code" "$kw_signal" "$kw_state" "$reason" "$kw_time" $((wall / 1000000)) $((wall % 1000000)) \
        $((cpu / 100)) $((cpu % 100)) "$handed" "$kw_text" "$kw_fingerprints" "$kw_upstream" 2>/dev/null >&"$kw_fd" || return
    exec {kw_fd}>&-
}

kw_publish() {
    if { [[ $kw_completed ]] || kw_complete; } && kw_rename; then
        return 0
    fi
    kw_state=failed
    kw_say 'its record could not be written (disk full, or taken over): not done'
    return 74
}
