# Who may run this directory. Claims are files `.claim.<n>`; n grows with each attempt.
#
# * A claim is created with noclobber (O_EXCL), so a number has one owner. Its text is the open
#   prefix of the final record; publishing appends the rest and renames it to job_status.json:
#   one rename records the result and lets go of the directory.
# * A claim binds only if, AFTER it was created, the record is of a lower attempt, no higher
#   claim exists and every lower claim is dead. Otherwise it is withdrawn: marked first, then
#   removed. Whoever takes over creates first and looks second; whoever was slow writes first
#   and looks second. So at least one of two rivals sees the other.
# * Numbers do not fall: whoever removed other claims keeps its own until a record replaces it.
#   So a helper (mv, rm) that outlives a killed shell meets no new claim of an old name that
#   binds.
# * The child that does all the work writes its process group into the claim and only then
#   looks whether its parent still lives. A claim is taken over only when its shell is dead,
#   and its text is read after that: either the group is known and ended, or it ends itself.
# * What an interrupted attempt left is moved aside by that child too, never by a process
#   that nobody could find.

# What claim number $1 is: gone, empty, starting (live, may yet withdraw), live, elsewhere, dead.
kw_judge_claim() {
    local text=
    kw_verdict=gone
    [[ -e $kw_dir/.claim.$1 ]] || return 0
    IFS= read -r text 2>/dev/null <"$kw_dir/.claim.$1"
    kw_verdict=dead
    [[ $text == *',"withdrawn":'* ]] && return 0
    kw_verdict=empty
    [[ $text == *',"pid_start":'*,* ]] || return 0
    kw_verdict=elsewhere
    if [[ $text != *",\"host\":$kw_host,\"boot_id\":"* ]]; then
        kw_is_gone_from_slurm "$text" && kw_verdict=dead
        return 0
    fi
    kw_verdict=dead
    [[ $text == *",\"boot_id\":\"$kw_boot\","* ]] || return 0
    kw_after "$text" ',"pid":' ,
    kw_stat "$kw_text" || return 0
    kw_after "$text" ',"pid_start":' ,
    [[ ${kw_fields[19]} == "$kw_text" && ${kw_fields[0]} != [ZX] ]] || return 0
    kw_verdict=starting
    [[ $text == *',"pgid":'* ]] && kw_verdict=live
    return 0
}

# Is the Slurm job behind a claim of another host over? Ours, started again by Slurm, is; for
# others Slurm is asked. Where it does not answer, nothing is known.
kw_is_gone_from_slurm() {
    local job shown
    [[ $1 == *',"slurm_job":"'* ]] || return 1
    kw_after "$1" ',"slurm_job":"' \"
    job=$kw_text
    kw_after "$1" ',"slurm_restart":' ,
    if [[ $job == "$kw_slurm_job" ]]; then
        ((${kw_text%%[!0-9]*} < ${SLURM_RESTART_COUNT:-0}))
        return
    fi
    command -v squeue >/dev/null || return 1
    shown=$(squeue --noheader --states=all --format=%T --jobs="$job" 2>&1) || {
        [[ $shown == *'Invalid job id'* ]]
        return
    }
    [[ ! $shown || $shown == @(BOOT_FAIL|CANCELLED|COMPLETED|DEADLINE|FAILED|NODE_FAIL|OUT_OF_MEMORY|PREEMPTED|TIMEOUT) ]]
}

# Take the directory: 0 ours, 75 running elsewhere, 73 cannot be written, 200 done already.
kw_acquire() {
    local highest=0 tries
    kw_once
    for ((tries = 0; tries < 100; ++tries)); do
        [[ $kw_stop_signal ]] && return $((128 + kw_stop_signal))
        if ((tries)); then
            kw_read_record
            kw_refuse_or_done || return
        fi
        kw_attempt=$((kw_recorded > highest ? kw_recorded + 1 : highest + 1))
        kw_claim=$kw_dir/.claim.$kw_attempt
        if kw_create; then
            if kw_verify; then
                kw_refuse_or_done && return 0
                tries=$?
                kw_withdraw
                return "$tries"
            fi
            kw_withdraw
            ((kw_rival > highest)) && highest=$kw_rival
        elif [[ -e $kw_claim ]]; then
            kw_judge_claim "$kw_attempt"
            [[ $kw_verdict == dead || ($kw_verdict == elsewhere && $kw_takeover) ]] && highest=$kw_attempt
        elif [[ ! -w $kw_dir ]] || ((tries > 20)); then
            kw_say "cannot write in $kw_dir (is it read-only, or the disk full?)"
            return 73
        else
            kw_verdict=gone
        fi
        case $kw_verdict in
            live)
                kw_say 'is running already; left alone'
                return 75
                ;;
            elsewhere)
                [[ $kw_takeover ]] && continue
                kw_say 'is claimed on another host; left alone (--takeover runs it here)'
                return 75
                ;;
            dead | gone) continue ;;
        esac
        # A claim is empty for microseconds, a scheduler holds one for a moment.
        [[ $kw_verdict == empty ]] && ((tries > 40)) && highest=$kw_attempt
        sleep "0.0$((RANDOM % 7 + 2))"
    done
    kw_say 'is held by someone else; left alone'
    return 75
}

kw_refuse_or_done() {
    if [[ $kw_state == newer ]]; then
        kw_say 'has a record of a newer kwdagger (schema); nothing done'
        return 65
    fi
    [[ $kw_state == passed && ! $kw_force ]] && kw_outputs_exist && return 200
    return 0
}

kw_create() {
    local status
    set -C
    { exec {kw_fd}>"$kw_claim"; } 2>/dev/null
    status=$?
    set +C
    [[ $status == 0 ]] || return 1
    kw_now
    kw_started=$kw_micros kw_started_uptime=$kw_uptime kw_started_at=$kw_time
    printf '{"schema":1,"attempt":%d,"host":%s,"boot_id":"%s","pid":%d,"pid_start":%s,"started_at":"%s"%s' \
        "$kw_attempt" "$kw_host" "$kw_boot" $$ "$kw_self_start" "$kw_time" "$kw_slurm_claim" 2>/dev/null >&"$kw_fd" && return
    kw_withdraw
    return 1
}

kw_withdraw() {
    printf ',"withdrawn":true' 2>/dev/null >&"$kw_fd"
    exec {kw_fd}>&-
    [[ $kw_cleared ]] || rm -f -- "$kw_claim"
}

# Does the claim just made bind? kw_dead gets the dead claims below it.
kw_verify() {
    local number
    kw_dead=() kw_rival=0 kw_verdict=gone
    # The list first: a claim that is not in it any more has become the record that is read.
    kw_list
    kw_read_record
    ((kw_recorded < kw_attempt)) || return 1
    for number in "${kw_claims[@]}"; do
        ((number == kw_attempt)) && continue
        kw_judge_claim "$number"
        case $kw_verdict in
            elsewhere) [[ $kw_takeover ]] || return 1 ;;
            live | starting | gone) return 1 ;;
        esac
        kw_verdict=dead
        if ((number > kw_attempt)); then
            kw_rival=${kw_claims[-1]}
            return 1
        fi
        kw_dead+=("$number")
    done
    return 0
}

# End what is left of the process group that claim text $1 names, and see it gone.
kw_end_group() {
    local tries
    [[ $1 == *',"pgid":'* && $1 == *",\"boot_id\":\"$kw_boot\","* ]] || return 0
    kw_after "$1" ',"pgid":' ,
    kw_group=$kw_text
    kw_after "$1" ',"pgid_start":' ,
    kw_group_start=$kw_text
    kw_after "$1" ',"sid":' ,
    kw_group_session=${kw_text%%[!0-9]*}
    [[ $kw_group == [1-9]* && $kw_group_start && $kw_group_session ]] || return 0
    kw_group_lives || return 0
    kw_say "ending process group $kw_group of an interrupted attempt"
    kill -s TERM -- "-$kw_group" 2>/dev/null
    for tries in {1..600}; do
        sleep 0.05
        kw_group_lives || return 0
        ((tries >= 100)) && kill -s KILL -- "-$kw_group" 2>/dev/null
    done
    kw_say "process group $kw_group of an interrupted attempt does not end; left alone"
    return 75
}

# kw_pids: members of the group that started at uptime $1 or later, up to $2 (hundredths of a
# second).
kw_members() {
    local path
    kw_pids=()
    for path in /proc/[0-9]*; do
        kw_stat "${path#/proc/}" || continue
        [[ ${kw_fields[2]} == "$kw_group" && ${kw_fields[3]} == "$kw_group_session" ]] || continue
        [[ ${kw_fields[0]} == [ZX] ]] && continue
        ((kw_fields[19] >= $1 && kw_fields[19] <= ${2-kw_fields[19]})) && kw_pids+=("${path#/proc/}")
    done
}

# Has the group a living member? Start times and the session guard against reused numbers.
kw_group_lives() {
    kill -s 0 -- "-$kw_group" 2>/dev/null || return 1
    if kw_stat "$kw_group"; then
        [[ ${kw_fields[19]} == "$kw_group_start" ]] || return 1
        [[ ${kw_fields[0]} == [ZX] ]] || return 0
    fi
    kw_members "$kw_group_start"
    ((${#kw_pids[@]}))
}
