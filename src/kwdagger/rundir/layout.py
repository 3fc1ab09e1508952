"""Every name that we put on disk, and nothing else spells them.

No dataclasses here: each job of a benchmark imports this, and they take long to import and make.
"""

from __future__ import annotations

import os
from typing import NamedTuple

SCRIPT_NAME = 'invoke.sh'
MANIFEST_NAME = 'job_config.json'
STATUS_NAME = 'job_status.json'
LOG_NAME = 'job.log'
SERVICE_NAME = '.service.json'
PACKAGES_NAME = 'pip-freeze.txt'
REASON_NAME = '.reason'
CLAIM_PREFIX = '.claim.'
BOOKKEEPING = frozenset(
    [
        MANIFEST_NAME,
        SCRIPT_NAME,
        STATUS_NAME,
        LOG_NAME,
        SERVICE_NAME,
        REASON_NAME,
        '.pred',
        '.succ',
        '.attempts',
        '.service',
        '_gather',
    ]
)
"""Names inside a run directory that are ours (claims too, see `is_claim_name`)."""

STAYS = BOOKKEEPING - {STATUS_NAME, LOG_NAME, SERVICE_NAME, REASON_NAME}
"""The bookkeeping that outlives an attempt; the rest moves aside with it."""

ARRAY_TABLE_SUFFIX = '.txt'
_NOT_IN_HOSTS = str.maketrans('', '', '"\\/')
_REMOVED_PREFIX = '.kwdagger-removed.'
_SCHEDULE_NAME = '_kwdagger_schedule'


def is_claim_name(name: str) -> bool:
    """Whether `name` is that of a claim file."""
    return name.startswith(CLAIM_PREFIX) and name[len(CLAIM_PREFIX) :].isdecimal()


def removed_name(name: str, unique: str) -> str:
    """Return what a run directory is called while it is being removed."""
    return f'{_REMOVED_PREFIX}{unique}.{name}'


def is_removed_name(name: str) -> bool:
    """Whether a folder of this name is one that was being removed."""
    return name.startswith(_REMOVED_PREFIX)


class RunDirectory(NamedTuple):
    """The files of one run directory; plain string paths."""

    path: str

    @property
    def manifest_path(self) -> str:
        """What was asked."""
        return f'{self.path}/{MANIFEST_NAME}'

    @property
    def script_path(self) -> str:
        """Runs the job."""
        return f'{self.path}/{SCRIPT_NAME}'

    @property
    def status_path(self) -> str:
        """What happened."""
        return f'{self.path}/{STATUS_NAME}'

    @property
    def reason_path(self) -> str:
        """Why a program failed, in its own words: the run script takes the first line over."""
        return f'{self.path}/{REASON_NAME}'

    @property
    def log_path(self) -> str:
        """The program's output."""
        return f'{self.path}/{LOG_NAME}'

    @property
    def service_path(self) -> str:
        """The service that the last attempt used, as it was read back."""
        return f'{self.path}/{SERVICE_NAME}'

    @property
    def service_dir(self) -> str:
        """The service of a run by hand, see `SessionDirectory.services_dir`."""
        return f'{self.path}/.service'

    @property
    def attempts_dir(self) -> str:
        """Earlier attempts, one folder each."""
        return f'{self.path}/.attempts'

    @property
    def pred_dir(self) -> str:
        """Links to the runs that this one uses."""
        return f'{self.path}/.pred'

    @property
    def succ_dir(self) -> str:
        """Links to the runs that use this one."""
        return f'{self.path}/.succ'

    @property
    def gather_dir(self) -> str:
        """Lists of gathered paths."""
        return f'{self.path}/_gather'

    def gather_path(self, input_name: str) -> str:
        """The list of paths that a gather gives to one input."""
        return f'{self.path}/_gather/{input_name}.txt'

    def attempt_path(self, attempt: int) -> str:
        """What an earlier attempt left."""
        return f'{self.path}/.attempts/{attempt}'

    def claim_path(self, number: int) -> str:
        """The claim of one attempt."""
        return f'{self.path}/{CLAIM_PREFIX}{number}'

    def pred_link(self, node_name: str, process_id: str) -> str:
        """The link to one run that this one uses."""
        return f'{self.path}/.pred/{node_name}/{process_id}'

    def succ_link(self, node_name: str, process_id: str) -> str:
        """The link to one run that uses this one."""
        return f'{self.path}/.succ/{node_name}/{process_id}'


def schedule_dir(root: str) -> str:
    """Where the records of schedule calls are."""
    return os.path.join(root, _SCHEDULE_NAME)


def most_recent_path(root: str) -> str:
    """Which pipeline ran last under a root."""
    return os.path.join(root, _SCHEDULE_NAME, 'most_recent_run.json')


def results_index_path(root: str) -> str:
    """What was read from the run directories under a root, to be read again only if changed."""
    return os.path.join(root, _SCHEDULE_NAME, 'results_index.json')


def state_index_path(root: str) -> str:
    """What became of the runs under a root, each valid while its directory is unchanged."""
    return os.path.join(root, _SCHEDULE_NAME, 'state_index.json')


def _file_name(sink: str) -> str:
    from urllib.parse import quote

    return quote(sink, safe='')


def is_inner_name(name: str) -> bool:
    """Whether a folder of that name under a root holds no run directories."""
    return name == _SCHEDULE_NAME or name.startswith('.')


class SessionDirectory(NamedTuple):
    """The files of one schedule call under a root."""

    root: str
    name: str

    @property
    def path(self) -> str:
        """The session's own folder."""
        return os.path.join(self.root, _SCHEDULE_NAME, self.name)

    @property
    def session_path(self) -> str:
        """Who, when, where, with which versions."""
        return f'{self.path}/session.json'

    @property
    def config_path(self) -> str:
        """The merged configuration."""
        return f'{self.path}/config.yaml'

    @property
    def configs_dir(self) -> str:
        """Other configurations that calls of the same session had, one file each."""
        return f'{self.path}/configs'

    @property
    def join_lock_path(self) -> str:
        """Held by a call while it adds itself to the session."""
        return f'{self.path}/.join.lock'

    @property
    def plan_path(self) -> str:
        """One job a line."""
        return f'{self.path}/plan.jsonl'

    @property
    def journal_dir(self) -> str:
        """Events, one file for each writing process."""
        return f'{self.path}/journal'

    @property
    def events_path(self) -> str:
        """What happened, collected from the journal and the records in one order."""
        return f'{self.path}/events.jsonl'

    @property
    def sinks_dir(self) -> str:
        """How far each sink has read."""
        return f'{self.path}/sinks'

    @property
    def sink_specs_path(self) -> str:
        """Which sinks the session was started with."""
        return f'{self.path}/sinks/.specs.json'

    def sink_path(self, name: str) -> str:
        """How far one sink has read."""
        return f'{self.path}/sinks/{_file_name(name)}.json'

    def sink_log_path(self, name: str) -> str:
        """What one sink printed, and where it raised."""
        return f'{self.path}/sinks/{_file_name(name)}.log'

    def sink_posts_path(self, name: str) -> str:
        """Which messages one sink has posted."""
        return f'{self.path}/sinks/{_file_name(name)}.posts.jsonl'

    def sink_lock_path(self, name: str) -> str:
        """Held by the process that serves one sink."""
        return f'{self.path}/sinks/.{_file_name(name)}.lock'

    @property
    def environment_path(self) -> str:
        """The software and hardware that the session runs on."""
        return f'{self.path}/env.json'

    @property
    def environment_lock_path(self) -> str:
        """Held by the job that records the environment."""
        return f'{self.path}/.env.lock'

    @property
    def packages_path(self) -> str:
        """The Python packages that the session runs on, as ``pip freeze`` lists them."""
        return f'{self.path}/artifacts/{PACKAGES_NAME}'

    @property
    def schedulers_dir(self) -> str:
        """Who runs this session now, one file for each process."""
        return f'{self.path}/schedulers'

    def scheduler_path(self, host: str, pid: int) -> str:
        """The mark of one process that runs this session."""
        return f'{self.path}/schedulers/{host}-{pid}.json'

    def services_dir(self, host: str) -> str:
        """Services that the jobs of one host share: ``hold``, and a folder for each instance."""
        return f'{self.path}/services/{host.translate(_NOT_IN_HOSTS)}'

    @property
    def packs_dir(self) -> str:
        """Scripts that run many run directories each."""
        return f'{self.path}/packs'

    def pack_path(self, name: str) -> str:
        """One script that runs many run directories."""
        return f'{self.path}/packs/{name}.sh'

    @property
    def arrays_dir(self) -> str:
        """What was handed to Slurm."""
        return f'{self.path}/arrays'

    @property
    def submissions_path(self) -> str:
        """Which tasks of which array went to Slurm, and under which job id."""
        return f'{self.path}/arrays/submitted.jsonl'

    def array_path(self, name: str) -> str:
        """The tasks of one array, one a line."""
        return f'{self.path}/arrays/{name}{ARRAY_TABLE_SUFFIX}'

    def array_script_path(self, name: str) -> str:
        """The batch script of one array."""
        return f'{self.path}/arrays/{name}.sh'
