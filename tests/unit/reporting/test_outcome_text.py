"""Commands in a summary can be pasted into a shell, whatever folders are called."""

import shlex
from types import SimpleNamespace

from kwdagger.reporting.outcome_text import print_handover, print_outcome

ROOT = "/data/42 a'b $x"


def counts(**values):
    names = dict.fromkeys(['failed', 'held', 'disabled', 'elsewhere', 'unfinished'], ())
    return SimpleNamespace(**{'total': 1, 'done': 0, 'new': 1, **names, **values})


def test_how_to_run_a_failed_job_again(capsys):
    job = SimpleNamespace(
        name='fit_id_1',
        state='failed',
        exit_code=1,
        reason='',
        last_lines=(),
        script=f'{ROOT}/fit/invoke.sh',
        params=(),
    )
    print_outcome(counts(failed=[job]), 1.0, ROOT, {})
    again = next(line for line in capsys.readouterr().out.splitlines() if 'again:' in line)
    assert shlex.split(again) == ['again:', 'bash', f'{ROOT}/fit/invoke.sh']


def test_how_to_look_at_what_was_submitted(capsys):
    print_handover(SimpleNamespace(jobs=2, arrays=0, waiting=0, trouble=''), counts(), ROOT)
    shown = capsys.readouterr().out.partition('; ')[2]
    assert shlex.split(shown)[:3] == ['kwdagger', 'status', ROOT]
