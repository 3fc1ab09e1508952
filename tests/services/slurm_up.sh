#!/usr/bin/env bash
# A real Slurm on one host for tests: several nodes, no systemd, no cgroups, loopback only.
#
#   SLURM_TEST_DIR=/tmp/x SLURM_TEST_PORT=27300 bash slurm_up.sh     # prints SLURM_CONF=... last
#   SLURM_TEST_DIR=/tmp/x bash slurm_down.sh
#
# Two clusters need different folders and ports. Nothing is written outside the folder; munge
# has a key and a socket of its own. Needs the packages slurm-wlm, slurm-client and munge.
#
# SLURM_TEST_NODES  nodes (3)           SLURM_TEST_PORT   first port (26817); nodes use +11, +12 ...
# SLURM_TEST_CPUS   CPUs a node (8),    SLURM_TEST_ARRAY  MaxArraySize (10001)
#                   need not exist      SLURM_TEST_JOBS   MaxJobCount (20000)
set -euo pipefail

folder=${SLURM_TEST_DIR:?the folder of this cluster}
nodes=${SLURM_TEST_NODES:-3}
cpus=${SLURM_TEST_CPUS:-8}
port=${SLURM_TEST_PORT:-26817}
export SLURM_CONF=$folder/etc/slurm.conf
PATH=$PATH:/usr/sbin:/sbin

fail() {
    printf 'slurm_up: %s\n' "$*" >&2
    exit 1
}

for program in slurmctld slurmd munged sinfo; do
    command -v "$program" >/dev/null || fail "$program is not installed"
done
[[ -e $SLURM_CONF ]] && fail "there is a cluster in $folder already"

umask 022
mkdir -p "$folder"/{etc,run,log,state/ctld}
for ((node = 1; node <= nodes; ++node)); do
    mkdir -p "$folder/spool/n$node"
done

head -c 1024 /dev/urandom >"$folder/etc/munge.key"
chmod 400 "$folder/etc/munge.key"
munged --force --key-file="$folder/etc/munge.key" --socket="$folder/run/munge.socket" \
    --pid-file="$folder/run/munged.pid" --log-file="$folder/log/munged.log" \
    --seed-file="$folder/state/munge.seed"

# cred_expire: a requeued job waits that long (default 120 s) before it starts again.
# batch_sched_delay .. bf_*: the scheduler looks often, so that short jobs do not wait for it.
cat >"$SLURM_CONF" <<END
ClusterName=test
SlurmctldHost=$(hostname -s)(127.0.0.1)
SlurmctldPort=$port
AuthType=auth/munge
AuthInfo=socket=$folder/run/munge.socket,cred_expire=10
SlurmUser=$(id -un)
SlurmdUser=$(id -un)
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_interval=2,sched_min_interval=10000,sched_max_job_start=0,default_queue_depth=2000,partition_job_depth=2000,bf_interval=2,bf_window=60,bf_max_job_test=2000
MaxJobCount=${SLURM_TEST_JOBS:-20000}
MaxArraySize=${SLURM_TEST_ARRAY:-10001}
MinJobAge=86400
MessageTimeout=30
KillWait=2
InactiveLimit=0
SlurmctldTimeout=30
SlurmdTimeout=6
TCPTimeout=2
ReturnToService=2
RebootProgram=/bin/true
StateSaveLocation=$folder/state/ctld
SlurmctldPidFile=$folder/run/slurmctld.pid
SlurmctldLogFile=$folder/log/slurmctld.log
SlurmdPidFile=$folder/run/slurmd-%n.pid
SlurmdLogFile=$folder/log/slurmd-%n.log
SlurmdSpoolDir=$folder/spool/%n
SlurmdParameters=config_overrides
SwitchType=switch/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
PartitionName=test Nodes=n[1-$nodes] Default=YES MaxTime=INFINITE State=UP
PartitionName=other Nodes=n[1-$nodes] Default=NO MaxTime=10 State=UP
END
for ((node = 1; node <= nodes; ++node)); do
    printf 'NodeName=n%d NodeHostname=%s NodeAddr=127.0.0.1 Port=%d CPUs=%d RealMemory=64000 State=UNKNOWN\n' \
        "$node" "$(hostname -s)" $((port + 10 + node)) "$cpus"
done >>"$SLURM_CONF"

slurmctld
for ((node = 1; node <= nodes; ++node)); do
    slurmd -N "n$node"
done
for ((tries = 0; tries < 1200; ++tries)); do
    up=$(sinfo -h -N -p test -o %T 2>/dev/null | grep -c '^idle$' || true)
    if [[ $up == "$nodes" ]]; then
        printf 'SLURM_CONF=%s\n' "$SLURM_CONF"
        exit 0
    fi
    sleep 0.1
done
tail -n 5 "$folder"/log/*.log >&2
fail "the nodes did not come up; see $folder/log"
