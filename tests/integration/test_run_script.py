"""The run script, in real bash."""

from __future__ import annotations

import dataclasses
import json
import os
import random
import shlex
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from script_jobs import DEADLINE_SECONDS, Job, alive, finish, wait_for

from kwdagger.rundir.claims import (
    judge_claim,
    live_claim,
    read_claims,
    this_process,
)
from kwdagger.rundir.manifest import Predecessor, materialise
from kwdagger.rundir.status import read_status


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / 'root'
    folder.mkdir()
    return folder


def test_a_passed_run_is_recorded(root: Path) -> None:
    job = Job(root, 'echo hello; echo oops >&2; echo result > {out}').write()
    done = job.run()
    assert (done.returncode, done.stdout, done.stderr) == (0, '', '')
    status = job.status()
    assert (status.state, status.exit_code, status.signal, status.attempt) == ('passed', 0, None, 1)
    assert (status.session, status.queue, status.queue_job) == ('s', 'serial', 'q')
    assert status.fingerprints == {'code': {}, 'inputs': {}, 'command': 'x', 'upstream': {}}
    assert status.started_at is not None
    assert status.ended_at is not None
    assert status.started_at < status.ended_at
    assert status.wall_seconds is not None
    assert 0 < status.wall_seconds < DEADLINE_SECONDS
    assert status.host == os.uname().nodename
    assert status.pgid != status.pid
    assert job.log() == 'hello\noops\n'
    assert job.leftovers() == {'out'}


def test_cpu_seconds_are_the_programs(root: Path) -> None:
    job = Job(root, "python3 -c 'sum(i*i for i in range(3000000))'; : > {out}").write()
    assert job.run().returncode == 0
    cpu, wall = job.status().cpu_seconds, job.status().wall_seconds
    assert cpu is not None
    assert wall is not None
    assert 0.02 < cpu < wall + 0.1


@pytest.mark.parametrize(
    ('command', 'code', 'state', 'number', 'reason'),
    [
        ('exit 3', 3, 'failed', None, 'exit code 3'),
        ('false', 1, 'failed', None, 'exit code 1'),
        ('no_such_program_here', 127, 'failed', None, 'command not found'),
        ('exit 255', 255, 'failed', None, 'exit code 255'),
        ('kill -SEGV $BASHPID', 139, 'killed', 11, 'signal 11'),
        ("bash -c 'kill -KILL $$'", 137, 'killed', 9, 'signal 9'),
        ('true', 1, 'failed', None, 'output is missing: out'),
    ],
)
def test_a_failed_run_says_how(
    root: Path, command: str, code: int, state: str, number: int | None, reason: str
) -> None:
    job = Job(root, command).write()
    done = job.run()
    assert done.returncode == code
    assert reason in done.stderr
    status = job.status()
    assert (status.state, status.signal) == (state, number)
    assert reason in (status.reason or '')


def test_by_hand_a_deleted_output_is_reproduced_from_another_directory(
    root: Path, tmp_path: Path
) -> None:
    job = Job(root, 'echo $PWD > {out}').write()
    assert job.run().returncode == 0
    again = job.run(cwd='/')
    assert again.returncode == 0
    assert 'done already' in again.stderr
    job.out.unlink()
    relative = os.path.relpath(job.script, tmp_path)
    done = subprocess.run(['bash', relative], cwd=tmp_path, check=False)
    assert done.returncode == 0
    assert job.out.read_text().strip() == str(root.parent)
    assert job.status().attempt == 2
    assert read_status(str(job.attempt(1) / 'job_status.json')).state == 'passed'  # type: ignore[union-attr]
    assert job.status().session is None


def test_force_runs_again_and_keeps_the_old_attempt(root: Path) -> None:
    job = Job(root, 'date +%s%N > {out}').write()
    job.run()
    first = job.out.read_text()
    assert job.run('--force').returncode == 0
    assert job.out.read_text() != first
    assert (job.attempt(1) / 'out').read_text() == first
    assert (job.attempt(1) / 'job.log').exists()


def test_unknown_option_is_refused(root: Path) -> None:
    job = Job(root).write()
    assert job.run('--frobnicate').returncode == 2
    assert job.status().state == 'queued'


def test_one_of_twenty_racers_runs_the_program(root: Path) -> None:
    job = Job(root, 'echo x >> {root}/count; sleep 0.3; : > {out}').write()
    racers = [job.start() for _ in range(20)]
    codes = sorted(finish(racer) for racer in racers)
    assert (root / 'count').read_text() == 'x\n'
    assert codes.count(0) >= 1
    assert set(codes) <= {0, 75}
    assert job.status().attempt == 1
    assert read_claims(str(job.dir)) == []


def test_a_loser_touches_nothing(root: Path) -> None:
    job = Job(root, 'echo started; sleep 600; : > {out}').write()
    winner = job.start()
    wait_for(lambda: os.path.exists(job.run_directory.log_path) and job.log())
    before = sorted(os.listdir(job.dir))
    loser = job.run()
    assert loser.returncode == 75
    assert 'running already' in loser.stderr
    assert sorted(os.listdir(job.dir)) == before
    claim = live_claim(str(job.dir))
    assert claim is not None
    assert claim.pid == winner.pid
    assert (
        materialise(job.manifest, session=None, queue=None, queue_job=None) == 'running elsewhere'
    )
    winner.terminate()
    assert finish(winner) == 143


def test_a_killed_run_script_leaves_an_orphan_that_is_ended(root: Path) -> None:
    job = Job(
        root,
        'if [[ -e {root}/again ]]; then echo second > {out}; else'
        ' echo first > {dir}/half; echo $BASHPID > {dir}/pid; sleep 300; fi',
    ).write()
    script = job.start()
    pid = int(wait_for(lambda: (job.dir / 'pid').exists() and (job.dir / 'pid').read_text()))
    script.kill()
    finish(script)
    assert alive(pid)
    assert [claim.verdict for claim in read_claims(str(job.dir))] == ['dead']
    (root / 'again').touch()
    done = job.run()
    assert done.returncode == 0
    assert 'interrupted attempt' in done.stderr
    assert not alive(pid)
    assert job.out.read_text() == 'second\n'
    assert (job.attempt(1) / 'half').read_text() == 'first\n'
    assert job.leftovers() == {'out'}
    assert job.status().attempt == 2
    interrupted = read_status(str(job.attempt(1) / 'job_status.json'))
    assert interrupted is not None
    assert (interrupted.state, interrupted.attempt) == ('killed', 1)


@pytest.mark.parametrize(
    ('last', 'state'),
    [('kill -KILL $$', 'killed'), ('kill -KILL $BASHPID', 'killed'), ('exit 3', 'failed'),
     (':', 'failed')],
)  # fmt: skip
def test_what_a_failed_program_left_running_ends_before_its_record(
    root: Path, last: str, state: str
) -> None:
    job = Job(root, f"bash -c 'sleep 600 & echo $! >{{dir}}/left; {last}'").write()
    job.run()
    assert job.status().state == state
    assert not alive(int((job.dir / 'left').read_text()))


def test_the_scheduler_ends_orphans_too(root: Path) -> None:
    job = Job(root, 'echo $BASHPID > {dir}/pid; sleep 300').write()
    script = job.start()
    pid = int(wait_for(lambda: (job.dir / 'pid').exists() and (job.dir / 'pid').read_text()))
    script.kill()
    finish(script)
    job.write()
    assert not alive(pid)
    assert (job.attempt(1) / 'pid').exists()
    assert job.status().state == 'queued'
    assert job.status().attempt == 1
    assert read_claims(str(job.dir)) == []


def test_killed_at_random_moments_it_ends_with_one_clean_result(root: Path) -> None:
    command = (
        'for i in 1 2 3 4; do [[ ! -e {dir}/part$i ]] || { echo mixed >> {root}/mixed; }; '
        'echo $i > {dir}/part$i; sleep 0.02; done; echo done >> {root}/effects; : > {out}'
    )
    job = Job(root, command).write()
    chance = random.Random(7)
    for _ in range(30):
        script = job.start()
        try:
            script.wait(timeout=chance.uniform(0, 0.16))
        except subprocess.TimeoutExpired:
            script.kill()
        finish(script)
    assert job.run().returncode == 0
    assert job.status().state == 'passed'
    assert not (root / 'mixed').exists()
    assert job.leftovers() == {'out', 'part1', 'part2', 'part3', 'part4'}
    effects = (root / 'effects').read_text().count('done')
    kept = sum((folder / 'out').exists() for folder in (job.dir / '.attempts').iterdir())
    assert 1 <= effects <= 1 + kept + 1
    assert job.run().returncode == 0
    assert (root / 'effects').read_text().count('done') == effects


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_stop_is_forwarded_and_teardown_runs(root: Path, number: signal.Signals) -> None:
    program = (
        'import signal, sys, time\n'
        'def stop(n, frame):\n'
        '    print("got", n, flush=True); time.sleep(0.2); print("cleaned", flush=True)\n'
        '    sys.exit(7)\n'
        'for n in (1, 2, 15): signal.signal(n, stop)\n'
        'print("ready", flush=True)\n'
        'time.sleep(600)\n'
    )
    (root / 'program.py').write_text(program)
    job = Job(
        root, 'python3 {root}/program.py', setup=('echo setup',), teardown=('echo teardown',)
    ).write()
    script = job.start()
    wait_for(lambda: os.path.exists(job.run_directory.log_path) and 'ready' in job.log())
    script.send_signal(number)
    assert finish(script) == 128 + number
    assert job.log().splitlines() == ['setup', 'ready', f'got {int(number)}', 'cleaned', 'teardown']
    status = job.status()
    assert (status.state, status.signal) == ('cancelled', number)
    assert read_claims(str(job.dir)) == []


def test_a_stop_waits_for_a_program_that_cleans_up(root: Path) -> None:
    job = Job(
        root,
        'bash -c \'trap "sleep 0.3; echo cleaned; exit 1" TERM; echo ready; sleep 600 & wait\'',
    ).write()
    script = job.start()
    wait_for(lambda: os.path.exists(job.run_directory.log_path) and 'ready' in job.log())
    script.terminate()
    assert finish(script) == 143
    assert 'cleaned' in job.log()


@pytest.mark.parametrize(
    ('setup', 'command', 'teardown', 'code', 'log'),
    [
        (('export A=1', 'B=2'), 'echo $A$B; : > {out}', ('echo t',), 0, ['12', 't']),
        (('false',), 'echo never', ('echo never',), 1, []),
        (('exit 9',), 'echo never', ('echo never',), 9, []),
        (('true', '(exit 4)', 'echo never'), 'echo never', (), 4, []),
        ((), 'echo c; exit 5', ('echo t',), 5, ['c', 't']),
        ((), ': > {out}', ('echo t', 'false'), 0, ['t']),
        ((), ': > {out}', ('echo t', 'exit 6'), 0, ['t']),
        (('set -e',), 'false; echo never', ('echo t',), 1, ['t']),
        (('A=1\ntrue # note',), 'echo $A; : > {out}  # note', (), 0, ['1']),
    ],
)
def test_setup_gates_and_teardown_follows(
    root: Path, setup: Any, command: str, teardown: Any, code: int, log: list[str]
) -> None:
    job = Job(root, command, setup=setup, teardown=teardown).write()
    assert job.run().returncode == code
    assert job.log().splitlines() == log
    if setup and code and not log:
        assert 'setup failed' in (job.status().reason or '') or setup == ('exit 9',)


def test_environment_preamble_and_path_reach_the_program(root: Path, tmp_path: Path) -> None:
    (tmp_path / 'bin').mkdir()
    (tmp_path / 'bin' / 'tool').write_text('#!/bin/sh\necho tool "$A" "$B" "$PWD"; cat\n')
    (tmp_path / 'bin' / 'tool').chmod(0o755)
    job = Job(
        root,
        'tool > {out}',
        path_prefix=str(tmp_path / 'bin'),
        environment={'A': "it's $HOME"},
        preamble=('export B=b',),
    ).write()
    assert job.run(input='never read').returncode == 0
    assert job.out.read_text() == f"tool it's $HOME b {tmp_path}\n"


WEIRD = [
    "with 'quote",
    'with "double',
    'blank and $HOME `id`',
    'ünïcode ☃',
    '-dash',
    'a&b;c(d)[e]*?',
]


@pytest.mark.parametrize('name', WEIRD)
def test_weird_names_of_the_root(tmp_path: Path, name: str) -> None:
    root = tmp_path / name
    root.mkdir()
    before = Job(root, name='before').write()
    job = Job(
        root,
        'cat {root}/node/node_id_before/out > {out}',
        predecessors=(Predecessor(before.name, 'node', str(before.dir), (str(before.out),)),),
        gathers={'all': (str(before.out),)},
    ).write()
    assert before.run().returncode == 0
    shutil.rmtree(job.dir / '_gather')
    assert job.run(cwd='/').returncode == 0, job.log()
    assert Path(job.run_directory.gather_path('all')).read_text() == f'{before.out}\n'
    assert list(job.status().fingerprints['upstream']) == [before.name]
    job.out.unlink()
    assert job.run().returncode == 0


@pytest.mark.parametrize(
    ('old', 'new', 'works'),
    [
        ('root', 'moved', True),
        ('root', 'root2', True),
        ('a root', 'another root', True),
        ('a root', 'plain', True),
        ('root', 'two words', False),
        ('root', "it's", False),
    ],
)
def test_a_moved_root(tmp_path: Path, old: str, new: str, works: bool) -> None:
    root = tmp_path / old
    root.mkdir()
    before = Job(root, 'echo b > {out}', name='before').write()
    fields: dict[str, Any] = {
        'predecessors': (Predecessor(before.name, 'node', str(before.dir), (str(before.out),)),),
        'gathers': {'all': (str(before.out),)},
        'setup': ('export G={root}/node'.replace('{root}', shlex.quote(str(root))),),
    }
    command = 'cat {root}/node/node_id_before/out {dir}/_gather/all.txt > {out}; '
    command += f'echo {shlex.quote(str(root) + "x")} $G'
    job = Job(root, command, **fields).write()
    assert before.run().returncode == 0
    assert job.run().returncode == 0
    moved = tmp_path / new
    root.rename(moved)
    there = moved / 'node' / job.name
    (there / 'out').unlink()
    done = subprocess.run(
        ['bash', there / 'invoke.sh'], capture_output=True, text=True, check=False
    )
    if not works:
        assert done.returncode == 2
        assert 'run kwdagger schedule again' in done.stderr
        return
    assert done.returncode == 0, done.stderr
    member = moved / 'node' / before.name / 'out'
    assert (there / 'out').read_text() == f'b\n{member}\n'
    assert not root.exists()
    assert (there / 'job.log').read_text() == f'{root}x {moved}/node\n'


def test_reached_through_links(root: Path, tmp_path: Path) -> None:
    job = Job(root).write()
    (tmp_path / 'link').symlink_to(root)
    (tmp_path / 'script').symlink_to(job.script)
    assert subprocess.run(['bash', tmp_path / 'script'], check=False).returncode == 0
    job.out.unlink()
    through = tmp_path / 'link' / 'node' / job.name / 'invoke.sh'
    assert subprocess.run(['bash', through], check=False).returncode == 0
    assert job.out.exists()


def test_resumable_keeps_files_but_not_the_primary_output(root: Path) -> None:
    command = 'echo x >> {dir}/checkpoint; [[ ! -e {out} ]] && echo clean; : > {out}; exit 1'
    job = Job(root, command, resumable=True).write()
    assert job.run().returncode == 1
    assert job.run().returncode == 1
    assert (job.dir / 'checkpoint').read_text() == 'x\nx\n'
    assert job.log() == 'clean\n'
    assert (job.attempt(1) / 'out').exists()


def test_a_failed_attempt_moves_aside_whole(root: Path) -> None:
    job = Job(
        root,
        'mkdir -p {dir}/sub/deep {dir}/.hidden; echo $RANDOM > {dir}/sub/deep/f; exit 1',
        outputs={'dir': str(root / 'node' / 'node_id_a'), 'deep': str(root / 'node/node_id_a/x/y')},
        primary=None,
    ).write()
    job.run()
    job.run()
    assert (job.attempt(1) / 'sub/deep/f').exists()
    assert (job.attempt(1) / '.hidden').exists()
    assert (job.dir / 'x').is_dir()
    job.write()
    assert (job.attempt(2) / 'sub').exists()
    assert job.leftovers() == set()


def test_outputs_elsewhere_are_never_moved(root: Path, tmp_path: Path) -> None:
    target = tmp_path / 'else' / 'where'
    job = Job(root, f'echo x >> {target}; exit 1', outputs={'out': str(target)}).write()
    assert job.run().returncode == 1
    assert job.run().returncode == 1
    assert target.read_text() == 'x\nx\n'


def test_a_users_own_directory_is_not_emptied(root: Path, tmp_path: Path) -> None:
    (root / 'mine').write_text('precious')
    job = Job(root, 'echo x > out; exit 1')
    manifest = dataclasses.replace(
        job.manifest,
        rundir=str(root),
        cwd=str(root),
        outputs={'out': str(root / 'out')},
        primary=str(root / 'out'),
    )
    assert materialise(manifest, session=None, queue=None, queue_job=None) == 'queued'
    for _ in range(2):
        done = subprocess.run(['bash', root / 'invoke.sh'], stderr=subprocess.DEVNULL, check=False)
        assert done.returncode == 1
    assert (root / 'mine').read_text() == 'precious'
    assert (root / '.attempts/1/out').exists()
    assert materialise(manifest, session=None, queue=None, queue_job=None) == 'queued'
    assert (root / 'mine').read_text() == 'precious'
    assert (root / '.attempts/2/out').exists()


def test_held_back_until_the_predecessor_is_done(root: Path) -> None:
    before = Job(root, 'exit 1', name='before').write()
    fields = {
        'predecessors': (Predecessor(before.name, 'node', str(before.dir), (str(before.out),)),)
    }
    job = Job(root, **fields).write()
    for state in ('queued', 'failed'):
        done = job.run()
        assert done.returncode == 69
        assert f'waits for {before.name}, which is not done ({state})' in done.stderr
        assert job.status().state == 'queued'
        assert read_claims(str(job.dir)) == []
        before.run()
    shutil.rmtree(before.dir)
    Job(root, name='before').write().run()
    before.out.unlink()
    assert job.run().returncode == 69
    before.run()
    assert job.run().returncode == 0
    upstream = job.status().fingerprints['upstream'][before.name]
    assert upstream == f'{before.status().attempt}@{before.status().ended_at}'


def test_an_external_predecessor_counts_as_done(root: Path) -> None:
    outside = root / 'node' / 'node_id_before'
    outside.mkdir(parents=True)
    fields = {
        'predecessors': (
            Predecessor('node_id_before', 'node', str(outside), (str(outside / 'out'),)),
        )
    }
    job = Job(root, **fields).write()
    assert job.run().returncode == 69
    (outside / 'out').touch()
    assert job.run().returncode == 0
    assert job.status().fingerprints['upstream'] == {'node_id_before': 'external'}


def test_links_both_ways(root: Path) -> None:
    before = Job(root, name='before').write()
    job = Job(root, predecessors=(Predecessor(before.name, 'node', str(before.dir)),)).write()
    link = job.dir / '.pred' / 'node' / before.name
    assert os.readlink(link) == '../../../node_id_before'
    assert link.resolve() == before.dir
    assert (before.dir / '.succ' / 'node' / job.name).resolve() == job.dir


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that any user may enter; root has to become someone else to be refused."""
    folder = Path(tempfile.mkdtemp(prefix='kwdagger-test-', dir='/tmp'))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def test_a_read_only_directory(open_folder: Path) -> None:
    job = Job(open_folder).write()
    job.dir.chmod(0o555)
    nobody = {'user': 65534, 'group': 65534} if os.geteuid() == 0 else {}
    done = subprocess.run(
        ['bash', job.script], capture_output=True, text=True, check=False, **nobody
    )
    job.dir.chmod(0o755)
    assert done.returncode == 73
    assert len(done.stderr.splitlines()) == 1
    assert job.status().state == 'queued'


def test_a_full_disk_never_looks_like_success(root: Path) -> None:
    """`/dev/full` as the claim's file: nothing can be recorded."""
    job = Job(root).write()
    text = Path(job.script).read_text()
    full = text.replace('kw_publish() {\n', 'kw_publish() {\nexec {kw_fd}>/dev/full\n')
    assert full != text
    Path(job.script).write_text(full)
    done = job.run()
    assert done.returncode == 74
    assert 'could not be written' in done.stderr
    assert job.status().state == 'queued'


@pytest.mark.parametrize('text', ['', '{"schema":1,"attempt":1,"ho', '\0\0\0', 'garbage\n'])
def test_a_broken_claim_is_taken_over(root: Path, text: str) -> None:
    job = Job(root).write()
    Path(job.run_directory.claim_path(1)).write_text(text)
    done = job.run()
    assert done.returncode == 0, done.stderr
    assert job.status().state == 'passed'
    assert read_claims(str(job.dir)) == []


@pytest.mark.parametrize('text', ['', '{"schema":1,"attempt":1,"ho'])
def test_the_scheduler_takes_a_broken_claim_over(root: Path, text: str) -> None:
    job = Job(root).write()
    Path(job.run_directory.claim_path(1)).write_text(text)
    job.write()
    assert read_claims(str(job.dir)) == []


def test_a_claim_of_another_host_needs_takeover(root: Path) -> None:
    job = Job(root).write()
    claim = {'schema': 1, 'attempt': 1, 'host': 'other', 'boot_id': 'b', 'pid': 1, 'pid_start': 1}
    text = json.dumps(claim, separators=(',', ':'))[:-1] + ',"started_at":"t"'
    Path(job.run_directory.claim_path(1)).write_text(text)
    assert job.run().returncode == 75
    found = live_claim(str(job.dir))
    assert found is not None
    assert found.verdict == 'elsewhere'
    assert job.run('--takeover').returncode == 0
    assert job.status().attempt == 2
    assert read_claims(str(job.dir)) == []


def test_an_unpublished_record_counts(root: Path) -> None:
    job = Job(root, 'echo x >> {root}/count; : > {out}').write()
    job.run()
    text = Path(job.run_directory.status_path).read_text()
    os.unlink(job.run_directory.status_path)
    text = text.replace(f'"pid":{job_pid(text)}', '"pid":1').replace(
        '"pid_start":', '"pid_start":9'
    )
    Path(job.run_directory.claim_path(1)).write_text(text)
    assert job.run().returncode == 0
    assert (root / 'count').read_text() == 'x\n'
    assert job.status().state == 'passed'
    assert live_claim(str(job.dir)) is None
    os.rename(job.run_directory.status_path, job.run_directory.claim_path(1))
    for claim in read_claims(str(job.dir))[1:]:
        os.unlink(claim.path)
    assert materialise(job.manifest, session=None, queue=None, queue_job=None) == 'done'
    assert job.status().state == 'passed'


def job_pid(text: str) -> int:
    return int(json.loads(text)['pid'])


def test_a_schedulers_claim_is_waited_for(root: Path) -> None:
    job = Job(root).write()
    me = judge_own_claim(job)
    script = job.start()
    with pytest.raises(subprocess.TimeoutExpired):
        script.wait(timeout=0.3)
    os.unlink(me)
    assert finish(script) == 0
    assert job.status().state == 'passed'


def judge_own_claim(job: Job) -> str:
    me = this_process()
    record = {'schema': 1, 'attempt': 0, 'host': me.host, 'boot_id': me.boot_id, 'pid': me.pid}
    record |= {'pid_start': me.pid_start, 'kind': 'scheduler', 'state': 'queued'}
    path = job.run_directory.claim_path(1)
    Path(path).write_text(json.dumps(record, separators=(',', ':')) + '\n')
    found = judge_claim(str(job.dir), 1)
    assert found is not None
    assert (found.verdict, found.scheduler) == ('live', True)
    return path


def test_a_newer_record_is_named(root: Path) -> None:
    job = Job(root).write()
    Path(job.run_directory.status_path).write_text('{"schema":2,"state":"passed"}\n')
    done = job.run()
    assert done.returncode == 65
    assert 'newer' in done.stderr


def test_a_missing_working_directory_is_named(root: Path, tmp_path: Path) -> None:
    (tmp_path / 'cwd').mkdir()
    job = Job(root, 'echo $PWD > {out}', cwd=str(tmp_path / 'cwd')).write()
    (tmp_path / 'cwd').rmdir()
    done = job.run()
    assert done.returncode == 2
    assert str(tmp_path / 'cwd') in done.stderr
    assert job.status().state == 'queued'
    assert job.run('--cwd', str(root)).returncode == 0
    assert job.out.read_text().strip() == str(root)


def test_without_log_output_goes_to_stdout(root: Path) -> None:
    job = Job(root, 'echo hello; : > {out}', log=False).write()
    assert job.run().stdout == 'hello\n'
    assert not os.path.exists(job.run_directory.log_path)


def test_on_a_terminal_output_is_shown_and_logged(root: Path) -> None:
    job = Job(root, 'echo hello; : > {out}').write()
    master, terminal = os.openpty()
    done = subprocess.run(['bash', job.script], stdout=terminal, check=False)
    os.close(terminal)
    assert done.returncode == 0
    assert os.read(master, 100).split() == [b'hello']
    os.close(master)
    assert job.log() == 'hello\n'


def test_the_program_sees_a_clean_shell(root: Path) -> None:
    command = (
        'env > {dir}/env; ls /proc/self/fd > {dir}/fds; echo "$-" > {dir}/flags; echo *; : > {out}'
    )
    job = Job(root, command).write()
    environment = {'PATH': os.environ['PATH'], 'TZ': 'Europe/Berlin', 'LC_ALL': 'C'}
    assert job.run(env=environment).returncode == 0
    names = {line.split('=')[0] for line in (job.dir / 'env').read_text().splitlines()}
    assert names - {'_', 'PWD', 'SHLVL', 'OLDPWD'} == {'PATH', 'TZ', 'LC_ALL'}
    assert 'TZ=Europe/Berlin' in (job.dir / 'env').read_text()
    assert (job.dir / 'fds').read_text().split() == ['0', '1', '2', '3']
    assert 'm' not in (job.dir / 'flags').read_text()
    assert job.log() != '*\n'


def test_rivals_that_are_killed_at_random_never_mix(root: Path) -> None:
    """Four run scripts at a time and a scheduler, on one directory, until one passes."""
    command = (
        'mkdir {root}/lock 2>/dev/null || { read -r p < {root}/lock/pid; [[ $(< /proc/$p/stat) =='
        ' *") "[!ZX]* ]] && echo overlap >> {root}/bad; } 2>/dev/null\n'
        'echo $BASHPID > {root}/lock/pid; [[ -e {dir}/part ]] && echo mixed >> {root}/bad\n'
        'echo x > {dir}/part; sleep 0.05; [[ -e {dir}/part ]] || echo stolen >> {root}/bad\n'
        'rm -rf {root}/lock; : > {out}'
    )
    chance = random.Random(11)
    for turn in range(8):
        job = Job(root / str(turn), command).write()
        rivals: list[subprocess.Popen[bytes]] = []
        deadline = time.monotonic() + DEADLINE_SECONDS
        while not _passed(job):
            assert time.monotonic() < deadline, os.listdir(job.dir)
            for rival in [rival for rival in rivals if rival.poll() is not None]:
                finish(rival)
                rivals.remove(rival)
            if len(rivals) < 4:
                rivals.append(job.start())
            if chance.random() < 0.1:
                materialise(job.manifest, session='s', queue='q', queue_job='x')
            time.sleep(chance.uniform(0, 0.01))
            if chance.random() < 0.2:
                chance.choice(rivals).kill()
        for rival in rivals:
            finish(rival)
        assert not (job.root / 'bad').exists(), (job.root / 'bad').read_text()
        strays = {f'.claim.{claim.number}' for claim in read_claims(str(job.dir))}
        assert job.leftovers() - strays == {'out', 'part'}


def _passed(job: Job) -> bool:
    status = read_status(job.run_directory.status_path)
    return status is not None and status.state == 'passed'
