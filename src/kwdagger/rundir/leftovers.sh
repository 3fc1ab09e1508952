# What earlier attempts left: seen to be at rest, then moved aside.

# See that nothing of earlier attempts runs any more, and list what they left: kw_aside, with
# the record first, so that what is moved later cannot count as done. 200: one had finished.
kw_survey() {
    local number text name
    kw_aside=() kw_handed= kw_last=$kw_recorded
    if [[ $kw_retired ]]; then
        kw_list
        kw_record=none
        kw_read_record
        kw_dead=() kw_last=$((kw_attempt - 1))
    fi
    for number in "${kw_dead[@]}"; do
        text=
        if IFS= read -r text 2>/dev/null <"$kw_dir/.claim.$number" && kw_is_attempt "$text"; then
            # It ended and died before its last rename: its record counts.
            kw_cleared=1
            mv -T -- "$kw_dir/.claim.$number" "$kw_dir/job_status.json" 2>/dev/null
        elif kw_is_attempt "$text"; then
            kw_end_group "$text" || return
            kw_last=$number
        fi
    done
    if ((${#kw_dead[@]})); then
        # Until now orphans may have written files.
        kw_list
        kw_read_record
        kw_refuse_or_done || return
        ((kw_recorded > kw_last)) && kw_last=$kw_recorded
    fi
    if [[ $kw_state == queued ]]; then
        kw_after "$kw_record" ',"session":' ',"version":'
        kw_handed=$kw_text
    elif [[ $kw_state != missing && ! $kw_retired ]]; then
        kw_aside+=(job_status.json)
    fi
    for name in "${kw_leftovers[@]}"; do
        [[ $name == job.log || $name == .service.json ]] && kw_aside+=("$name")
    done
    kw_movable
    kw_aside+=("${kw_movable[@]}")
}

# Does a dead claim's text stand for an attempt, not for a scheduler or a withdrawal?
kw_is_attempt() {
    [[ $1 == *',"pid_start":'* && $1 != *',"kind":"scheduler",'* && $1 != *',"withdrawn":'* ]]
}

# Move aside what kw_survey listed; only then drop the claims that explain it.
kw_clear() {
    local number
    kw_move_aside "$kw_last" "${kw_aside[@]}" || return
    if [[ $kw_retired ]]; then
        [[ -d ${kw_target:=$kw_dir/.attempts/$kw_last} ]] || mkdir -p -- "$kw_target" || return
        mv -T -- "$kw_retired" "$kw_target/job_status.json" || return
    fi
    for number in "${kw_dead[@]}"; do
        kw_bury "$number"
    done
}

# kw_movable: names that are this job's to move aside, besides record and log.
kw_movable() {
    local name index declared
    kw_movable=()
    if [[ $kw_resumable ]]; then
        [[ $kw_primary && $kw_primary != . && $kw_primary != /* ]] || return 0
        [[ -e $kw_dir/$kw_primary ]] && kw_movable=("$kw_primary")
        return 0
    fi
    for name in "${kw_leftovers[@]}"; do
        [[ $name == job.log || $name == .service.json ]] && continue
        declared=$kw_exclusive
        for ((index = 1; index < ${#kw_outputs[@]}; index += 2)); do
            [[ $declared ]] && break
            [[ ${kw_outputs[index]%%/*} == "$name" ]] && declared=1
        done
        [[ $declared ]] && kw_movable+=("$name")
    done
    return 0
}

# Move names (record first) to .attempts/$1, or beside it where an earlier move left things.
kw_move_aside() {
    local base=$kw_dir/.attempts/$1 target count=0 name
    kw_target=
    shift
    (($#)) || return 0
    target=$base
    while [[ -e $target ]]; do
        target=$base.$((++count))
    done
    mkdir -p -- "$target" || return 73
    kw_target=$target
    if [[ $kw_resumable ]]; then
        for name; do
            [[ $name == */* ]] && { mkdir -p -- "$target/${name%/*}" || return 73; }
            mv -T -- "$kw_dir/$name" "$target/$name" || return 73
        done
        return 0
    fi
    set -- "${@/#/"$kw_dir"/}"
    while (($#)); do
        mv -t "$target" -- "${@:1:200}" || return 73
        shift $(($# < 200 ? $# : 200))
    done
}

# Keep a dead claim as the record of its attempt.
kw_bury() {
    local text= file=$kw_dir/.claim.$1 folder=$kw_dir/.attempts/$1
    [[ -e $file ]] || return 0
    IFS= read -r text 2>/dev/null <"$file"
    if ! kw_is_attempt "$text" || [[ -e $folder/job_status.json ]]; then
        rm -f -- "$file"
        return
    fi
    text=${text%%,\"exit_code\":*}
    [[ -d $folder ]] || mkdir -p -- "$folder"
    printf '%s,"state":"killed","reason":"interrupted: its run script was gone"}\n' "$text" \
        >"$folder/job_status.json" && rm -f -- "$file"
}
