# A service beside the job: found or started, and let go. Only in run scripts that need one.
#
# * kw_home holds the instances: in a queue those of the session on this host, otherwise those of
#   the first run directory that this shell runs.
# * The shell of the queue keeps `hold` locked, so that instances live on between jobs.
# * The job's own shell (kw_child) locks `users` of its instance, as long as its program runs.

# Before an attempt.
kw_hold_services() {
    kw_service_begun= kw_service_reason= kw_service_numbers=
    if [[ ${kw_home-} ]]; then
        kw_closers+=${kw_service_hold:+" $kw_service_hold>&-"}
        return
    fi
    kw_service_hold= kw_service_fresh=
    if [[ ${kw_journal-} == */journal/* ]]; then
        kw_home=${kw_journal%/journal/*}/services/${kw_host//[\"\\\/]/}
    else
        kw_home=$kw_dir/.service kw_service_fresh=1
    fi
    mkdir -p -- "$kw_home" && { exec {kw_service_hold}>>"$kw_home/hold"; } 2>/dev/null || return
    kw_closers+=" $kw_service_hold>&-"
    ! command -v flock >/dev/null || flock -s "$kw_service_hold"
}

# In the job's shell, before its setup: wait until the instance is ready.
kw_enter_service() {
    local folder=$kw_home/$kw_service answer status=70
    mkdir -p -- "$folder" && { exec {kw_users}>>"$folder/users"; } 2>/dev/null || {
        kw_tell_parent "refused $BASHPID cannot write in $folder"
        return 70
    }
    kw_closers+=" $kw_users>&-"
    if command -v python3 >/dev/null; then
        answer=$(kw_service_keeper | exec python3 -I -S - "$folder" "$kw_home/hold" "$kw_users" "$kw_dir/.service.json" "$kw_service_fresh" "$kw_service_record")
        status=$?
    else
        answer="service $kw_service needs python3, which is not on PATH"
    fi
    if [[ $status != 0 ]]; then
        kw_tell_parent "refused $BASHPID ${answer:-service $kw_service: no keeper (exit code $status)}"
        return 70
    fi
    eval "$answer"
    printf ',"service":"%s"' "$kw_service" >&"$kw_fd"
    kw_tell_parent "begun $BASHPID $kw_service_numbers"
}

kw_tell_parent() {
    local line=${1//$'\n'/ }
    printf '%s\n' "${line:0:2000}" >"/proc/$$/fd/$kw_bell"
}

# What the job's shell told. Time counts from here on: not that of the wait for the service.
kw_hear_service() {
    local pid=${kw_child_pid:-$kw_ended_pid}
    case $1 in
        "refused $pid "*) kw_service_reason=${1#refused $pid } ;;
        "begun $pid "*)
            kw_service_numbers=${1#begun $pid } kw_service_begun=1
            kw_now
            kw_started=$kw_micros kw_started_uptime=$kw_uptime
            kw_set_deadline
            ;;
    esac
}

# After a failure: was it the service?
kw_blame_service() {
    local said tries numbers
    [[ $kw_state == @(failed|killed|timeout) ]] || return
    while read -r -t 0.01 -u "$kw_bell" said; do
        kw_hear_service "$said"
    done
    if [[ $kw_service_reason ]]; then
        kw_reason=$kw_service_reason
        return
    fi
    numbers=($kw_service_numbers)
    ((${#numbers[@]} == 3)) || return
    for tries in {1..40}; do
        if kw_stat "${numbers[1]}" && [[ ${kw_fields[19]} == "${numbers[2]}" && ${kw_fields[0]} != [ZX] ]]; then
            # It may just be dying, and the job was the first to notice.
            ((tries > 3)) && return
        elif [[ -s $kw_home/$kw_service/ended.${numbers[0]} ]]; then
            IFS= read -r said <"$kw_home/$kw_service/ended.${numbers[0]}"
            kw_reason+="; $said"
            return
        fi
        sleep 0.05
    done
}

# At the end of a job. A shell that runs one job only waits until its service is gone.
kw_leave_service() {
    local pid= start= tries
    kw_service_fresh=
    [[ ${kw_quiet-} || ! ${kw_home-} ]] && return
    [[ $kw_service_hold ]] && exec {kw_service_hold}>&-
    read -r pid start 2>/dev/null <"$kw_home/$kw_service/keeper.pid"
    kw_home=
    [[ $start ]] || return
    for tries in {1..1200}; do
        kw_stat "$pid" && [[ ${kw_fields[19]} == "$start" && ${kw_fields[0]} != [ZX] ]] || return
        sleep 0.05
    done
}
