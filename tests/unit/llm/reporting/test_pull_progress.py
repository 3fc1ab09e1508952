"""A download of thousands of steps is a few lines."""

from kwdagger.llm.engine.ollama_api import PullStatus
from kwdagger.llm.reporting.pull_progress import PullProgress


def test_one_line_for_each_tenth():
    lines = []
    progress = PullProgress(lines.append)
    progress(PullStatus('pulling manifest'))
    for done in range(2001):
        progress(PullStatus('pulling 0a1b', '0a1b', 2_000_000_000, done * 1_000_000))
    progress(PullStatus('success'))
    assert lines[0] == 'pulling manifest'
    assert lines[1] == 'pulling 0a1b: 0 % of 2 GB'
    assert lines[2] == 'pulling 0a1b: 10 % of 2 GB'
    assert lines[-2:] == ['pulling 0a1b: 100 % of 2 GB', 'success']
    assert len(lines) == 13
