"""What the command line of ``kwdagger llm mock`` says, and what it refuses."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from kwdagger.llm import mock
from kwdagger.llm.mock import MockConfig, server_options
from kwdagger.llm.testserver.faults import FAULTS, FaultRule


def test_options_reach_the_server():
    options = server_options(
        MockConfig(
            models='a,b',
            itl_s='0.1,0.2',
            load_s='1.5',
            slowdown=0.5,
            keep_alive='30s',
            fault='stall:after=2; busy:times=1',
            queue_policy='all',
            max_queue=3,
        )
    )
    assert options.models == ('a', 'b')
    assert (options.script.itl_s, options.script.load_s) == ((0.1, 0.2), 1.5)
    assert (options.script.slowdown, options.keep_alive_s) == (0.5, 30.0)
    assert options.faults == (FaultRule('stall', after=2), FaultRule('busy', times=1))
    assert (options.queue_policy, options.max_queue) == ('all', 3)


@pytest.mark.parametrize(
    ('words', 'message'),
    [
        (['--fault=stal'], "unknown fault 'stal' (did you mean 'stall'?)"),
        (['--itl_s=fast'], "--itl_s is a number from 0 on, not 'fast'"),
        (['--itl_s=-1'], '--itl_s is a number from 0 on'),
        (['--load_s=inf'], "--load_s is a number from 0 on, not 'inf'"),
        (['--itl_s='], '--itl_s needs at least one number of seconds'),
        (['--tokens_per_chunk=0'], "--tokens_per_chunk is a whole number from 1 on, not '0'"),
        (['--num_parallel=x'], "--num_parallel is a whole number from 1 on, not 'x'"),
        (['--port=70000'], '--port is a number from 0 to 65535, not 70000'),
        (['--queue_policy=al'], "--queue_policy=al: no such choice (did you mean 'all'?)"),
        (['--engine=vllm'], '--engine=vllm: no such choice'),
        (['--keep_alive=soon'], '--keep_alive is a duration such as 5m'),
        (['--modles=a'], "unknown option '--modles' (did you mean --models?)"),
    ],
)
def test_bad_options_are_one_line_and_exit_code_2(words, message, capsys):
    with pytest.raises(SystemExit) as raised:
        mock.main(argv=words)
    assert raised.value.code == 2
    out, err = capsys.readouterr()
    assert out == ''
    assert err.startswith(f'error: {message}')
    assert err.count('\n') == 1


def test_the_reference_has_a_row_for_every_fault():
    page = Path(__file__).parents[3] / 'docs' / 'reference' / 'llm_mock.rst'
    rows = re.findall(r'^``(\w+)`` {2,}', page.read_text(), re.MULTILINE)
    assert [name for name in rows if name in FAULTS] == list(FAULTS)
