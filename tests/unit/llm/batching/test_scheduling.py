"""Every prompt is answered or failed once, whatever servers do: no sockets, no clock."""

from __future__ import annotations

import heapq
import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kwdagger.llm.batching.scheduling import Rules, Schedule
from kwdagger.llm.batching.servers import Server
from kwdagger.llm.prompts.jsonl_prompts import parse_prompt_lines


def prompts(count):
    return parse_prompt_lines(b'\n'.join(b'"prompt %d"' % n for n in range(count)), 'p.jsonl')


def servers(*parallel):
    return [Server(f'http://s{n}', n, each) for n, each in enumerate(parallel)]


def lines_of(handed):
    return [(ticket.prompt.line, breaker.server.url[-2:]) for ticket, breaker in handed]


def test_prompts_go_out_in_order_to_the_emptiest_server():
    schedule = Schedule(servers(1, 3), prompts(9))
    handed = schedule.hand_out(0.0)
    assert [ticket.prompt.line for ticket, _ in handed] == [1, 2, 3, 4]
    assert sorted(breaker.server.url for _, breaker in handed) == ['http://s0'] + ['http://s1'] * 3
    assert schedule.hand_out(0.0) == []


def test_a_faster_server_gets_more():
    schedule = Schedule(servers(1, 1), prompts(30))
    seconds = {'http://s0': 1.0, 'http://s1': 3.0}
    answered = simulate(schedule, lambda ticket, breaker, now: ('answered', seconds))
    assert answered.count('http://s0') == pytest.approx(22, abs=1)
    assert len(answered) == 30


def simulate(schedule, answer, most_steps=10_000):
    """Play a schedule on an own clock; return the servers that answered, in order."""
    now, flying, answered, number = 0.0, [], [], 0
    for _ in range(most_steps):
        for ticket, breaker in schedule.hand_out(now):
            number += 1
            verdict, seconds = answer(ticket, breaker, now)
            ends_at = now + seconds[breaker.server.url]
            heapq.heappush(flying, (ends_at, number, ticket, breaker, verdict))
        for breaker in schedule.probes_due(now):
            breaker.take_probe(None, now)
        if schedule.done or schedule.stalled(now):
            return answered
        again_at = schedule.next_time(now)
        if flying and (again_at is None or flying[0][0] <= again_at):
            now, _, ticket, breaker, verdict = heapq.heappop(flying)
            if schedule.finished(ticket, breaker, verdict, now, 'reason') == 'answered':
                answered.append(breaker.server.url)
        else:
            assert again_at is not None
            assert again_at > now
            now = again_at
    raise AssertionError('it never ends')


_VERDICTS = ['answered', 'hopeless', 'blank', 'unsure', 'down', 'busy', 'unusable']


@given(
    count=st.integers(0, 40),
    parallel=st.lists(st.integers(1, 5), min_size=1, max_size=4),
    weights=st.lists(st.integers(0, 5), min_size=7, max_size=7).filter(
        lambda weights: any(weights) and weights[_VERDICTS.index('busy')] < sum(weights)
    ),
    retries=st.integers(0, 3),
    seed=st.integers(0, 99),
)
def test_every_prompt_is_settled_once_or_the_batch_stops(count, parallel, weights, retries, seed):
    chance = random.Random(seed)
    schedule = Schedule(servers(*parallel), prompts(count), Rules(retries, 30.0))
    sent = {}

    def answer(ticket, breaker, now):
        assert breaker.in_flight <= breaker.server.parallel
        sent[ticket.prompt.line] = ticket.sent
        verdict = chance.choices(_VERDICTS, weights)[0]
        return verdict, {server.url: chance.uniform(0.1, 5) for server in servers(*parallel)}

    answered = simulate(schedule, answer)
    assert len(answered) + schedule.left <= count
    assert schedule.done or schedule.stalled(1e9)
    if not schedule.left:
        assert set(sent) == set(range(1, count + 1))


def test_a_refused_prompt_is_not_asked_again():
    schedule = Schedule(servers(1), prompts(1))
    [(ticket, breaker)] = schedule.hand_out(0.0)
    assert schedule.finished(ticket, breaker, 'hopeless', 1.0) == 'failed'
    assert schedule.done


def test_an_unclear_failure_is_tried_again_later_and_elsewhere():
    schedule = Schedule(servers(1, 1), prompts(1), Rules(retries=2))
    [(ticket, first)] = schedule.hand_out(0.0)
    assert schedule.finished(ticket, first, 'unsure', 1.0) == 'again'
    assert schedule.hand_out(1.0) == []
    assert schedule.next_time(1.0) == 1.5
    [(ticket, second)] = schedule.hand_out(1.5)
    assert second is not first
    assert schedule.finished(ticket, second, 'unsure', 2.0) == 'again'
    assert schedule.next_time(2.0) == 3.0  # twice the pause
    [(ticket, third)] = schedule.hand_out(3.0)
    assert schedule.finished(ticket, third, 'unsure', 4.0) == 'failed'
    assert ticket.sent == 3


def test_the_work_of_a_dead_server_moves_to_the_others_and_costs_no_retry():
    schedule = Schedule(servers(2, 2), prompts(4), Rules(retries=0))
    handed = schedule.hand_out(0.0)
    dead = handed[0][1]
    for ticket, breaker in handed:
        verdict = 'down' if breaker is dead else 'answered'
        schedule.finished(ticket, breaker, verdict, 1.0, 'refused')
    again = schedule.hand_out(1.0)
    assert len(again) == 2
    assert all(breaker is not dead for _, breaker in again)
    assert dead.state == 'down'
    assert dead.reason == 'refused'


def test_a_dead_server_is_looked_at_less_and_less_and_then_tried_with_one_prompt():
    schedule = Schedule(servers(4), prompts(8))
    handed = schedule.hand_out(0.0)
    breaker = handed[0][1]
    for ticket, _ in handed:
        schedule.finished(ticket, breaker, 'down', 0.0, 'refused')
    now, pauses = 0.0, []
    for _ in range(8):
        again_at = breaker.ready_at
        pauses.append(again_at - now)
        assert schedule.probes_due(again_at - 0.01) == []
        assert schedule.probes_due(again_at) == [breaker]
        assert schedule.probes_due(again_at) == []  # one look at a time
        breaker.take_probe('still refused', again_at)
        now = again_at
    assert pauses == [0.5, 1, 2, 4, 8, 16, 30, 30]
    assert schedule.probes_due(breaker.ready_at) == [breaker]
    breaker.take_probe(None, breaker.ready_at)
    [(ticket, _)] = schedule.hand_out(breaker.ready_at)
    schedule.finished(ticket, breaker, 'answered', breaker.ready_at + 1)
    assert len(schedule.hand_out(breaker.ready_at + 1)) == 4


def test_three_failures_in_a_row_take_a_server_out():
    schedule = Schedule(servers(1, 1), prompts(20))
    for now in range(3):
        for ticket, breaker in schedule.hand_out(now):
            bad = breaker.server.url == 'http://s0'
            schedule.finished(ticket, breaker, 'unsure' if bad else 'answered', now, 'HTTP 500')
    assert [breaker.state for breaker in schedule.breakers] == ['down', 'up']
    assert schedule.breakers[0].reason == '3 failures in a row, the last: HTTP 500'


def test_prompts_without_text_do_not_take_a_server_out():
    schedule = Schedule(servers(1), prompts(5), Rules(retries=0))
    for now in range(5):
        [(ticket, breaker)] = schedule.hand_out(now)
        assert schedule.finished(ticket, breaker, 'blank', now) == 'failed'
    assert schedule.done
    assert schedule.breakers[0].state == 'up'


def test_a_busy_server_gets_a_pause_as_long_as_it_says_and_half_as_much():
    schedule = Schedule(servers(8), prompts(8))
    handed = schedule.hand_out(0.0)
    breaker = handed[0][1]
    for ticket, _ in handed:
        assert schedule.finished(ticket, breaker, 'busy', 0.0, 'busy', retry_after=7.0) == 'again'
    assert schedule.hand_out(6.9) == []
    assert schedule.next_time(0.0) == 7.0
    handed = schedule.hand_out(7.0)
    assert len(handed) == 4
    for ticket, _ in handed:
        schedule.finished(ticket, breaker, 'answered', 8.0)
    assert breaker.limit == pytest.approx(4.9, abs=0.05)  # about one more a round of answers


def test_stops_when_no_server_worked_for_too_long():
    schedule = Schedule(servers(1), prompts(2), Rules(patience_seconds=10.0))
    [(ticket, breaker)] = schedule.hand_out(0.0)
    schedule.finished(ticket, breaker, 'down', 1.0, 'refused')
    assert not schedule.stalled(9.9)
    assert schedule.stalled(10.0)
    assert schedule.left == 2


def test_waits_as_long_as_a_server_asks_for_before_it_stops():
    schedule = Schedule(servers(1), prompts(1), Rules(patience_seconds=10.0))
    [(ticket, breaker)] = schedule.hand_out(0.0)
    schedule.finished(ticket, breaker, 'busy', 1.0, retry_after=100.0)
    assert schedule.probes_due(1.0) == [breaker]
    breaker.take_probe(None, 1.0)
    assert not schedule.stalled(101.0)
    assert schedule.stalled(111.0)


def play_busy(seconds, is_up, patience=10.0):
    """Let one server refuse everything as busy; return the times of asking and when it stops."""
    schedule = Schedule(servers(1), prompts(1), Rules(patience_seconds=patience))
    now, asked = 0.0, []
    while now < seconds:
        for ticket, breaker in schedule.hand_out(now):
            asked.append(now)
            assert schedule.finished(ticket, breaker, 'busy', now, 'HTTP 503') == 'again'
        for breaker in schedule.probes_due(now):
            breaker.take_probe(None if is_up(now) else 'refused', now)
        if schedule.stalled(now):
            return asked, now
        now = schedule.next_time(now)
    return asked, None


def test_a_busy_server_that_answers_looks_is_asked_every_few_seconds_for_ever():
    asked, stopped_at = play_busy(3600.0, is_up=lambda now: True)
    assert stopped_at is None
    pauses = [after - before for before, after in itertools.pairwise(asked)]
    assert pauses[:4] == [0.5, 1, 2, 4]
    assert set(pauses[4:]) == {5.0}


def test_patience_that_is_shorter_than_a_pause_does_not_end_a_busy_server():
    assert play_busy(100.0, is_up=lambda now: True, patience=0.5)[1] is None


def test_what_says_busy_for_a_dead_server_is_given_up():
    asked, stopped_at = play_busy(3600.0, is_up=lambda now: now < 100)
    assert max(asked) < 106
    assert 100 + 10 <= stopped_at < 100 + 10 + 15


def test_a_slow_answer_is_no_reason_to_stop():
    schedule = Schedule(servers(1), prompts(1), Rules(patience_seconds=1.0))
    schedule.hand_out(0.0)
    assert not schedule.stalled(1e6)


def test_stops_at_once_when_every_server_refuses_everybody():
    schedule = Schedule(servers(1, 1), prompts(5))
    for ticket, breaker in schedule.hand_out(0.0):
        assert not schedule.stalled(0.0)
        schedule.finished(ticket, breaker, 'unusable', 0.0, 'HTTP 401')
    assert schedule.stalled(0.0)


def test_a_server_that_dies_under_every_try_does_not_hold_a_prompt_for_ever():
    schedule = Schedule(servers(1), prompts(1))
    [(ticket, breaker)] = schedule.hand_out(0.0)
    outcome, now = schedule.finished(ticket, breaker, 'down', 0.0), 0.0
    while outcome == 'again':
        now = breaker.ready_at
        breaker.take_probe(None, now)
        [(ticket, breaker)] = schedule.hand_out(now)
        outcome = schedule.finished(ticket, breaker, 'down', now)
    assert outcome == 'failed'
    assert 5 < ticket.sent < 20


def test_no_more_than_the_rate_is_sent():
    schedule = Schedule(servers(100), prompts(100), Rules(requests_per_second=2.0))
    times, now = [], 0.0
    while now is not None and now < 10:
        times += [now] * len(schedule.hand_out(now))
        now = schedule.next_time(now)
    assert len(times) == 20
    gaps = [after - before for before, after in itertools.pairwise(times)]
    assert min(gaps) >= 0.5
