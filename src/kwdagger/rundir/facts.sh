# What is known: about this process, the time, the directory and its record, predecessors.

kw_once() {
    [[ ${kw_boot-} ]] && return
    read -r kw_boot </proc/sys/kernel/random/boot_id
    read -r kw_host </proc/sys/kernel/hostname
    kw_json "$kw_host"
    kw_host=$kw_text
    kw_stat self
    kw_self_start=${kw_fields[19]}
    kw_slurm_job= kw_slurm_claim=
    if [[ ${SLURM_JOB_ID-} ]]; then
        kw_slurm_job=$SLURM_JOB_ID
        [[ ${SLURM_ARRAY_TASK_ID-} ]] && kw_slurm_job=${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID
        kw_slurm_claim=",\"slurm_job\":\"$kw_slurm_job\",\"slurm_restart\":${SLURM_RESTART_COUNT:-0}"
    fi
}

# Fields of /proc/<pid>/stat from the state on: 0 state, 2 pgrp, 3 session, 13 and 14 the
# children's CPU ticks, 19 start time. The name before them may hold blanks and parentheses.
kw_stat() {
    local line
    IFS= read -r line 2>/dev/null <"/proc/$1/stat" || return 1
    while [[ $line == *') '* ]]; do
        line=${line#*') '}
    done
    kw_fields=($line)
}

# kw_text: what follows the first $2 in $1, up to $3. Cutting suffixes is linear in bash,
# cutting prefixes behind a `*` quadratic.
kw_after() {
    local before=${1%%"$2"*}
    kw_text=${1:${#before}+${#2}}
    kw_text=${kw_text%%"$3"*}
}

# The JSON text of a string, in kw_text.
kw_json() {
    kw_text=$1
    if [[ $kw_text == *[\\\"[:cntrl:]]* ]]; then
        kw_text=${kw_text//\\/\\\\}
        kw_text=${kw_text//\"/\\\"}
        kw_text=${kw_text//[[:cntrl:]]/?}
    fi
    kw_text=\"$kw_text\"
}

# The time: kw_time (ISO 8601, UTC), kw_micros, kw_uptime (hundredths of a second).
kw_now() {
    local seconds micros=000000
    if [[ ${EPOCHREALTIME-} ]]; then
        seconds=$EPOCHREALTIME
        micros=${seconds#*[.,]} seconds=${seconds%[.,]*}
    else
        printf -v seconds '%(%s)T' -1
    fi
    printf -v kw_time '%(%Y-%m-%dT%H:%M:%S)T' "$seconds"
    kw_time+=.$micros+00:00
    kw_micros=$seconds$micros
    read -r kw_uptime _ </proc/uptime
    kw_uptime=${kw_uptime/./}
}

# Read job_status.json: kw_state (missing, unreadable, newer, or the record's) and kw_recorded
# (its attempt). Text inside JSON strings has its quotes escaped, so the keys cannot be faked.
kw_read_record() {
    local record=
    if [[ -e $kw_dir/job_status.json ]]; then
        IFS= read -r record <"$kw_dir/job_status.json"
        record+=$'\n'
    fi
    [[ $record == "$kw_record" ]] && return
    kw_record=$record kw_state=missing kw_recorded=0
    [[ $record ]] || return 0
    kw_state=unreadable
    [[ $record == *$'}\n' ]] || return 0
    if [[ $record != '{"schema":1,'* ]]; then
        [[ $record == '{"schema":'[0-9]* ]] && kw_state=newer
        return 0
    fi
    if [[ $record == '{"schema":1,"attempt":'[0-9]* ]]; then
        kw_recorded=${record:22:20} kw_recorded=${kw_recorded%%[!0-9]*}
    fi
    record=${record%%,\"fingerprints\":*}
    kw_after "$record" ',"state":"' \"
    kw_state=${kw_text:-unreadable}
}

# One listing: kw_claims (numbers, ascending) and kw_leftovers (names that are not ours).
kw_list() {
    local path name number
    kw_claims=() kw_leftovers=()
    shopt -s nullglob dotglob
    for path in "$kw_dir"/*; do
        name=${path##*/}
        case $name in
            job_config.json | invoke.sh | job_status.json | .pred | .succ | .attempts | .service | _gather) ;;
            .claim.*)
                number=${name#.claim.}
                [[ $number == *[!0-9]* ]] || kw_claims[number]=$number
                ;;
            *) kw_leftovers+=("$name") ;;
        esac
    done
    shopt -u nullglob dotglob
}

kw_say() {
    kw_reason=$1
    [[ ${kw_quiet-} ]] || printf 'kwdagger: %s: %s\n' "$kw_id" "$1" >&2
}

kw_output_path() {
    case $1 in
        .) kw_output=$kw_dir ;;
        /*) kw_output=$1 ;;
        *) kw_output=$kw_dir/$1 ;;
    esac
}

# Do all outputs exist? kw_missing names the first that does not.
kw_outputs_exist() {
    local index
    for ((index = 0; index < ${#kw_outputs[@]}; index += 2)); do
        kw_output_path "${kw_outputs[index + 1]}"
        if [[ ! -e $kw_output ]]; then
            kw_missing="${kw_outputs[index]} ($kw_output)"
            return 1
        fi
    done
}

# Each predecessor has passed, or was put there by someone else, and its outputs exist.
kw_check_predecessors() {
    local index=0 id folder path count
    kw_upstream=
    ((${#kw_preds[@]})) || return 0
    while ((index < ${#kw_preds[@]})); do
        id=${kw_preds[index]} folder=${kw_preds[index + 1]} count=${kw_preds[index + 2]}
        ((index += 3))
        kw_record=none
        kw_dir=$folder kw_read_record
        kw_after "$kw_record" ',"ended_at":"' \"
        kw_ended=${kw_recorded}@$kw_text
        if [[ $kw_state == missing && ! -e $folder/invoke.sh ]] && { ((count)) || [[ -d $folder ]]; }; then
            kw_state=passed kw_ended=external
        fi
        if [[ $kw_state != passed ]]; then
            kw_say "waits for $id, which is not done ($kw_state)"
            return 69
        fi
        for path in "${kw_preds[@]:index:count}"; do
            [[ -e $path ]] && continue
            kw_say "waits for $id, which is not done ($path is missing)"
            return 69
        done
        ((index += count))
        kw_upstream+=${kw_upstream:+,}\"$id\":\"$kw_ended\"
    done
    kw_record=none
    kw_read_record
}
