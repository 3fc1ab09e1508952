"""SIGKILL into schedulers and sinks' processes at random moments: trackers hold the same after all.

`KWDAGGER_KILLS_SEED` repeats a bombardment (as far as the machine's timing does).
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from services.fake_slack import CHANNEL, TOKEN, fake_slack
from services.mlflow_contents import empty_mlflow_store, read_back
from services.wandb_files import offline_runs

pytestmark = [
    pytest.mark.stress,
    pytest.mark.mlflow,
    pytest.mark.wandb,
    pytest.mark.filterwarnings('ignore:::mlflow', 'ignore:::wandb'),
]

KILLS = 12
PROGRAM = """\
import json, sys, time
args = dict(word[2:].split('=', 1) for word in sys.argv[1:])
time.sleep(0.2)
if args['x'] == '3':
    sys.exit(3)
json.dump({'metrics': {'y': 2 * int(args['x'])}}, open(args['out'], 'w'))
"""
PIPELINE = {
    'nodes': {
        'one': {
            'executable': 'python prog.py',
            'algo_params': {'x': 0},
            'out_paths': {'out': 'out.json'},
        }
    }
}


def sinks(place, address, wait):
    """Return the sinks that write to one place."""
    return [
        {
            'name': f'mlflow {place}',
            'class': 'mlflow',
            'tracking_uri': f'sqlite:///{place}/mlflow.db',
            'experiment': 'nightly',
            'wait_seconds': wait,
        },
        {
            'name': f'wandb {place}',
            'class': 'wandb',
            'mode': 'offline',
            'dir': f'{place}/runs',
            'wait_seconds': wait,
        },
        {
            'name': f'slack {place}',
            'class': 'slack',
            'channel_id': CHANNEL,
            'api_url': f'{address}/api',
            'wait_seconds': wait,
        },
    ]


@pytest.fixture
def work(tmp_path, monkeypatch):
    (tmp_path / 'prog.py').write_text(PROGRAM)
    empty_mlflow_store(tmp_path / 'empty.db')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv('SLACK_BOT_TOKEN', TOKEN)
    return tmp_path


def command(*words):
    return [sys.executable, '-m', 'kwdagger', *words, '--root_dpath=results']


def couriers():
    """Return the processes that serve sinks from here."""
    found = []
    for path in Path('/proc').glob('[0-9]*'):
        try:
            words = (path / 'cmdline').read_bytes().split(b'\0')
            is_ours = os.readlink(path / 'cwd') == os.getcwd()
        except OSError:
            continue
        if is_ours and b'kwdagger.sinks.courier' in words:
            found.append(int(path.name))
    return found


def kill_couriers_after(seconds, process):
    end = time.monotonic() + seconds
    while process.poll() is None and time.monotonic() < end:
        time.sleep(0.02)
    for pid in couriers():
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    process.wait(200)


def contents(place):
    runs = {run['name']: run for run in offline_runs(f'{place}/runs/wandb')}
    return read_back(f'{place}/mlflow.db'), runs


def messages(slack):
    """Return what stands in the channel, by text, without Slack's names of messages."""
    return sorted(json.dumps(body.get('blocks')) for body in slack.messages.values())


def test_trackers_that_were_told_by_processes_that_were_killed_hold_the_same(work):
    chance = random.Random(int(os.environ.get('KWDAGGER_KILLS_SEED', random.randrange(10**6))))
    with fake_slack() as (up, up_address), fake_slack() as (late, late_address):
        late.is_down = True
        Path('up').mkdir()
        shutil.copy('empty.db', 'up/mlflow.db')
        Path('late').touch()  # no folder: nothing can be written there
        both = [*sinks('up', up_address, 200), *sinks('late', late_address, 0)]
        params = {'pipeline': PIPELINE, 'matrix': {'one.x': list(range(8))}, 'sinks': both}
        words = ['schedule', '--session=night', '--run=1', f'--params={json.dumps(params)}']
        with subprocess.Popen(command(*words), start_new_session=True) as process:
            time.sleep(chance.uniform(3, 8))
            os.killpg(process.pid, signal.SIGKILL)
        subprocess.run(command('session', 'resume', 'night'), check=False, timeout=300)
        subprocess.run(command('session', 'replay', 'night'), check=False, timeout=300)

        late.is_down = False
        Path('late').unlink()
        Path('late').mkdir()
        shutil.copy('empty.db', 'late/mlflow.db')
        for _ in range(KILLS):
            replaying = subprocess.Popen(command('session', 'replay', 'night'))
            kill_couriers_after(chance.uniform(1, 6), replaying)
        for _ in range(2):
            done = subprocess.run(command('session', 'replay', 'night'), check=False, timeout=300)
            assert done.returncode == 0
            assert contents('late') == contents('up')
        # the one message in flight at each kill may be there twice
        assert set(messages(late)) == set(messages(up))
        assert len(late.messages) <= len(up.messages) + KILLS
