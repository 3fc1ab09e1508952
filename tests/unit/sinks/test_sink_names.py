"""Names of jobs for people."""

import json

from kwdagger.sessions.events import PlannedJob
from kwdagger.sinks.names import JobNames


def names(folder, *jobs):
    """Return the names of a session's jobs, given by what was asked of them."""
    plan = {}
    for number, asked in enumerate(jobs):
        job = f'{asked["node"]}_id_{number:06}'
        plan[job] = PlannedJob(asked['node'], str(folder / job), True, '')
        (folder / job).mkdir()
        config = {key: item for key, item in asked.items() if key != 'node'}
        (folder / job / 'job_config.json').write_text(json.dumps(config))
    told = JobNames(plan)
    return [told.name_of(job) for job in plan]


def test_a_name_has_what_tells_jobs_of_one_node_apart(tmp_path):
    assert names(
        tmp_path,
        {'node': 'pack', 'pack.level': 1, 'pack.kind': 'zip'},
        {'node': 'pack', 'pack.level': 9, 'pack.kind': 'zip'},
        {'node': 'pack', 'pack.level': 9, 'pack.kind': 'zip', 'make.seed': 2},
        {'node': 'other', 'other.level': 3},
    ) == ['pack level=1', 'pack level=9', 'pack level=9 make.seed=2', 'other']


def test_names_are_unique_and_not_endless(tmp_path):
    long = 'x' * 100
    found = names(
        tmp_path,
        {'node': 'a', 'a.text': long},
        {'node': 'a', 'a.text': f'{long}y'},
        {'node': 'b'},
        {'node': 'b'},
    )
    assert found[2:] == ['b (000002)', 'b (000003)']
    assert len(set(found)) == 4
    assert max(map(len, found)) < 80
