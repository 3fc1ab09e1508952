"""The Slack sink on a server of our own: what people in the channel see."""

from __future__ import annotations

import json
import math
import random
import subprocess
import sys

import pytest
from services.fake_slack import CHANNEL, TOKEN, fake_slack, table_of
from services.faulty_proxy import faulty_proxy
from services.sink_sessions import (
    job_result,
    job_start,
    session_facts,
    session_on_disk,
    session_summary,
)

from kwdagger.errors import UserError
from kwdagger.sessions.event_log import EventLog
from kwdagger.sinks.delivery import Delivery
from kwdagger.sinks.protocol import Progress, RetryLater
from kwdagger.sinks.slack import SlackSink
from kwdagger.sinks.specs import SinkSpec

PROGRAM = """\
import json, sys
args = dict(word[2:].split('=', 1) for word in sys.argv[1:])
if args['x'] == '3':
    sys.exit(3)
metrics = {'run_s': 3723.4, 'peak_bytes': 1536, 'nothing': None, 'empty': ''}
json.dump({'metrics': metrics}, open(args['out'], 'w'))
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


@pytest.fixture
def channel():
    with fake_slack() as served:
        yield served


@pytest.fixture
def work(tmp_path, monkeypatch):
    (tmp_path / 'prog.py').write_text(PROGRAM)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv('SLACK_BOT_TOKEN', TOKEN)
    return tmp_path


def kwdagger(*words, code=0):
    words = [sys.executable, '-m', 'kwdagger', *words, '--root_dpath=results']
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == code, done.stdout + done.stderr
    return done


def bot(address, **keys):
    return {'name': 'slack', 'channel_id': CHANNEL, 'api_url': f'{address}/api', **keys}


def schedule(*sinks, code=1, session='night', values=(1, 2, 3)):
    params = {'pipeline': PIPELINE, 'matrix': {'one.x': list(values)}, 'sinks': list(sinks)}
    words = ['--run=1', f'--session={session}', f'--params={json.dumps(params)}']
    return kwdagger('schedule', *words, code=code)


def test_channel_sees_counters_answers_and_mentions(work, channel):
    slack, address = channel
    metrics = ['run_s', 'peak_bytes', 'nothing', 'empty', 'speed']
    schedule(bot(address, default_metrics=metrics, ping_users_on_failure=['U7']))
    parent = json.dumps(slack.parent())
    assert 'night: failed' in parent
    assert 'total *3*   passed *2*   failed *1*   running *0*   waiting *0*' in parent
    good = [reply for reply in slack.replies() if 'passed' in reply['text']]
    (bad,) = (reply for reply in slack.replies() if 'failed' in reply['text'])
    assert len(good) == 2
    assert table_of(good[0]) == {
        'run_s': '1h 2m 3s',
        'peak_bytes': '1.5 KiB',
        'nothing': 'none',
        'empty': '(empty)',
        'speed': 'missing',
    }
    assert 'exit code 3' in bad['text']
    assert '<@U7>' in bad['text']
    assert '<@U7>' not in json.dumps(good)


def test_channel_that_was_down_comes_to_hold_the_same(work, channel):
    slack, address = channel
    with fake_slack() as (late, late_address):
        late.is_down = True
        done = schedule(bot(address), {**bot(late_address), 'name': 'late', 'class': 'slack'})
        assert 'sink late has not taken' in done.stdout + done.stderr
        assert not late.messages
        late.is_down = False
        kwdagger('session', 'replay', 'night')
        assert late.messages == slack.messages
        edits = late.edits
        kwdagger('session', 'replay', 'night')
        assert (late.messages, late.edits) == (slack.messages, edits)


def test_two_processes_of_a_session_share_one_message(work, channel):
    slack, address = channel
    schedule(bot(address), code=0, values=[1])
    schedule(bot(address), code=0, values=[1, 2])
    assert 'night: passed' in slack.parent()['text']
    assert len(slack.replies()) == 2


def opened(address, tmp_path, **keys):
    sink = SlackSink(bot(address, **{'bot_token': TOKEN, **keys}))
    sink.open(session_facts(root=str(tmp_path), folder=str(tmp_path)))
    return sink


def test_counters_move_while_jobs_run(channel, tmp_path):
    slack, address = channel
    sink = opened(address, tmp_path)
    assert 'running *0*   waiting *2*' in slack.parent()['text']
    sink.job_started(job_start('a'))
    sink.flush()
    assert 'running *1*   waiting *1*' in slack.parent()['text']
    sink.job_finished(job_result('a', progress=Progress(2, 1)))
    sink.flush()
    assert 'passed *1*   failed *0*   running *0*   waiting *1*' in slack.parent()['text']
    sink.close(session_summary())
    sink.job_finished(job_result('b', minute=3))  # told late: the end stays said
    sink.flush()
    assert 'night: passed' in slack.parent()['text']


def test_without_live_updates_the_message_is_edited_once(channel, tmp_path):
    slack, address = channel
    sink = opened(address, tmp_path, live_updates=False)
    for item in ('a', 'b'):
        sink.job_finished(job_result(item))
        sink.flush()
    assert slack.edits == 0
    sink.close(session_summary())
    assert slack.edits == 1


def test_only_failures_and_warnings_are_answered_if_asked(channel, tmp_path):
    slack, address = channel
    sink = opened(address, tmp_path, thread_replies_for_failures_or_warnings_only=True)
    sink.job_finished(job_result('a'))
    sink.job_finished(job_result('b', results={'warnings': ['GPU 0 was <in use>']}))
    unmet = {'requirements_not_met': {'speed': '3 is below the minimum 5'}}
    sink.job_finished(job_result('c', state='failed', results=unmet))
    warned, failed = slack.replies()
    assert 'GPU 0 was &lt;in use&gt;' in warned['text']
    assert 'speed: 3 is below the minimum 5' in failed['text']


def test_entry_adds_metrics_and_says_who_is_mentioned(channel, tmp_path):
    slack, address = channel
    sink = opened(address, tmp_path, default_metrics='y', ping_users_on_failure='U1')
    said = {'name': 'slack', 'additional_metrics': ['z'], 'ping_on_failure': ['S2', 'here']}
    metrics = {'y': 1, 'z': 0.25, 'w': 3}
    sink.job_finished(
        job_result('a', state='timeout', metrics=metrics, results={'sink_data': [said]})
    )
    quiet = {**said, 'ping_on_failure': False}
    sink.job_finished(job_result('b', state='failed', results={'sink_data': [quiet]}))
    first, second = slack.replies()
    assert table_of(first) == {'y': '1', 'z': '0.25'}
    assert '<@U1> <!subteam^S2> <!here>' in first['text']
    assert '<@' not in second['text']


def test_waiting_time_that_slack_asks_for_is_passed_on(channel, tmp_path):
    slack, address = channel
    sink = opened(address, tmp_path)
    slack.limits = [7]
    with pytest.raises(RetryLater) as limited:
        sink.job_finished(job_result('a'))
    assert limited.value.seconds == 7
    sink.job_finished(job_result('a'))
    sink.job_finished(job_result('a'))
    assert len(slack.replies()) == 1


def test_service_that_fails_in_every_way_comes_to_hold_the_same(channel, tmp_path, monkeypatch):
    monkeypatch.setenv('SLACK_BOT_TOKEN', TOKEN)
    slack, address = channel
    session, chance = session_on_disk(tmp_path), random.Random(3)

    def told(name, to):
        log = EventLog(session)
        log.collect(records='all', over=True)
        options = {'channel_id': CHANNEL, 'api_url': f'{to}/api', 'default_metrics': ['run_s']}
        return Delivery(session, SinkSpec(name, 'slack', options), log)

    assert told('straight', address).deliver() is None
    assert 'night: failed' in slack.parent()['text']
    assert len(slack.replies()) == 6
    with fake_slack() as (late, late_address), faulty_proxy(late_address) as (proxy, shaky):
        proxy.faults = iter(chance.choices(['pass', 'drop', '500', '429'], [3, 1, 1, 1], k=60))
        telling = told('shaky', shaky)
        while (pause := telling.deliver()) is not None:
            if pause == math.inf or chance.random() < 0.3:  # the process is killed
                telling = told('shaky', shaky)
        assert late.messages == slack.messages
        calls = len(proxy.seen)
        assert told('shaky', shaky).deliver() is None
        assert len(proxy.seen) == calls
        assert calls > len(late.messages)


def test_killed_while_noting_a_message_the_rest_is_known(channel, tmp_path):
    slack, address = channel
    opened(address, tmp_path).job_finished(job_result('a'))
    (posts,) = tmp_path.rglob('*.posts.jsonl')
    posts.write_text(posts.read_text() + '["b 2026')
    sink = opened(address, tmp_path)
    sink.job_finished(job_result('a'))
    sink.job_finished(job_result('b'))
    sink = opened(address, tmp_path)
    sink.job_finished(job_result('b'))
    assert len(slack.replies()) == 2
    assert slack.parent()


@pytest.mark.parametrize('refusal', ['invalid_auth', 'channel_not_found', 'is_archived'])
def test_refused_token_or_channel_is_a_user_error(channel, tmp_path, refusal):
    slack, address = channel
    slack.refusal = refusal
    with pytest.raises(UserError, match=refusal):
        opened(address, tmp_path)


def test_webhook_gets_a_message_for_each_job_and_the_end(channel, tmp_path, monkeypatch):
    slack, address = channel
    monkeypatch.setenv('HOOK', f'{address}/hook')
    for _ in range(2):  # told again by another process
        sink = SlackSink({'name': 'slack', 'webhook_env': 'HOOK', 'ping_users_on_failure': ['U1']})
        sink.open(session_facts(root=str(tmp_path), folder=str(tmp_path)))
        sink.job_started(job_start('a'))
        sink.job_finished(job_result('a', metrics={f'm{number}': number for number in range(300)}))
        sink.job_finished(job_result('b', state='oom', reason='x' * 9000))
        sink.flush()
        sink.close(session_summary())
    texts = [body['text'] for body in slack.hooked]
    assert [text[:14] for text in texts[::3]] == ['night: running', 'night: passed ']
    assert len(texts) == 4
    assert len(table_of(slack.hooked[1])) == 99


def test_addresses_are_told_to_nobody(tmp_path):
    url = 'http://127.0.0.1:9/services/T0/B0/very-secret'
    sink = SlackSink({'name': 'slack', 'webhook_url': url})
    with pytest.raises(RetryLater) as down:
        sink.open(session_facts(root=str(tmp_path), folder=str(tmp_path)))
    assert 'secret' not in str(down.value)
    assert down.value.__suppress_context__


@pytest.mark.parametrize(
    ('config', 'message'),
    [
        ({}, 'set webhook_url, the environment variable SLACK_WEBHOOK_URL, or channel_id'),
        ({'channel_id': 'C1'}, 'set the environment variable SLACK_BOT_TOKEN'),
        ({'channel_id': 1}, 'channel_id is a text'),
        ({'webhook_url': 'hooks'}, 'is no http address'),
        ({'webhook_url': 'http://x', 'default_metrics': 3}, 'default_metrics is a list of texts'),
        ({'webhook_url': 'http://x', 'live_updates': 'yes'}, 'live_updates is true or false'),
        ({'webhok_url': 'http://x'}, "no key 'webhok_url' \\(did you mean 'webhook_url'\\?\\)"),
    ],
)
def test_wrong_keys_are_one_line(config, message, monkeypatch):
    monkeypatch.delenv('SLACK_WEBHOOK_URL', raising=False)
    monkeypatch.delenv('SLACK_BOT_TOKEN', raising=False)
    with pytest.raises(UserError, match=message) as wrong:
        SlackSink({'name': 'slack', **config})
    assert '\n' not in str(wrong.value)
