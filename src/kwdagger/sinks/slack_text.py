"""Messages about sessions and jobs in Slack's Block Kit, within its limits."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from kwdagger.reporting.sizes import size_text
from kwdagger.sinks.payload import plain_json, result_payload
from kwdagger.sinks.protocol import JobResult, Progress, SessionFacts

_SECTION_LENGTH = 2900
_HEADER_LENGTH = 140
_CELL_LENGTH = 300
_MOST_ROWS = 99
_MOST_LINES = 20
_SIGNS = {
    'running': ':hourglass_flowing_sand:',
    'passed': ':white_check_mark:',
    'failed': ':x:',
    'held': ':fast_forward:',
    'interrupted': ':warning:',
}
_EVERYBODY = ('here', 'channel', 'everyone')
_ABOUT = ('host', 'hostname', 'user', 'reason', 'run_reason', 'viewer_url')

Message = dict[str, Any]


def session_message(session: SessionFacts, state: str, counts: Progress) -> Message:
    """Return the message about a session: its state and its counters."""
    title = f'{session.name}: {state}'
    numbers = {
        'total': counts.total,
        'passed': counts.passed,
        'failed': counts.failed,
        'running': counts.running,
        'waiting': counts.waiting,
    }
    extra = {'held back': counts.held, 'done before': counts.found_done}
    numbers |= {key: count for key, count in extra.items() if count}
    line = '   '.join(f'{key} *{count}*' for key, count in numbers.items())
    blocks = [_header(f'{_SIGNS.get(state, "")} {title}'), _section(line)]
    about = _about_session(session)
    if about:
        text = _escaped(about)[:_SECTION_LENGTH]
        blocks.append({'type': 'context', 'elements': [{'type': 'mrkdwn', 'text': text}]})
    return {'text': f'{_escaped(title)}   {line}', 'blocks': blocks}


def job_message(result: JobResult, names: Sequence[str] | None, mentions: Iterable[str]) -> Message:
    """Return the message about a job that ended.

    Args:
        names: of the metrics to show; None for all numbers.
        mentions: ids of users and groups to mention.
    """
    sign = _SIGNS.get('passed' if result.success else result.state, _SIGNS['failed'])
    title = f'{sign} *{_escaped(result.name)}* {_escaped(result.state)}'
    if result.attempt > 1:
        title += f' (attempt {result.attempt})'
    if result.reason:
        title += f': {_escaped(result.reason)}'
    lines = [title, *_bulleted('Requirements not met', unmet_of(result))]
    lines += _bulleted('Warnings', warnings_of(result))
    called = ' '.join(map(_mention, mentions))
    if called:
        lines.append(called)
    text = '\n'.join(lines)
    blocks = [_section(text)]
    rows = _rows(result, names)
    if rows:
        blocks.append({'type': 'table', 'rows': [[_cell(text) for text in row] for row in rows]})
    return {'text': text[:_SECTION_LENGTH], 'blocks': blocks}


def unmet_of(result: JobResult) -> list[str]:
    """Return the requirements that a job did not meet, with the reasons."""
    unmet = result.results.get('requirements_not_met')
    if not isinstance(unmet, Mapping):
        return []
    return [f'{metric}: {reason}' for metric, reason in unmet.items()]


def warnings_of(result: JobResult) -> list[str]:
    """Return the warnings of a job."""
    warnings = result.results.get('warnings')
    return list(map(str, warnings)) if isinstance(warnings, (list, tuple)) else []


def readable(name: str, value: Any) -> str:
    """Return a value for people, never an empty text, which Slack refuses.

    Names that end in ``_s`` are seconds, in ``_bytes`` bytes.
    """
    if value is None:
        return 'none'
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float)):
        if not math.isfinite(value):
            return str(value)
        if name.endswith('_s'):
            return duration(value)
        if name.endswith('_bytes'):
            return size_text(value, binary=True)
        return str(value) if isinstance(value, int) else f'{value:.6g}'
    text = value if isinstance(value, str) else json.dumps(plain_json(value), ensure_ascii=False)
    return text if text.strip() else '(empty)'


def duration(seconds: float) -> str:
    """Return seconds as hours, minutes and seconds.

    >>> duration(3723.4), duration(75), duration(0.0421)
    ('1h 2m 3s', '1m 15s', '0.0421s')
    """
    sign, seconds = ('-', -seconds) if seconds < 0 else ('', seconds)
    if seconds < 59.95:
        return f'{sign}{seconds:.3g}s'
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f'{sign}{hours}h {minutes}m {rest}s' if hours else f'{sign}{minutes}m {rest}s'


def _rows(result: JobResult, names: Sequence[str] | None) -> list[tuple[str, str]]:
    numbers = {key: item for key, item in result.metrics.items() if isinstance(item, (int, float))}
    if names is None:
        found = {**numbers, 'exec_time_s': result.metrics.get('exec_time_s', result.seconds)}
    else:
        everything = {**result.params, **result_payload(result), **result.metrics}
        found = {name: everything.get(name, 'missing') for name in names}
    rows = [(name, readable(name, item)) for name, item in found.items()]
    if len(rows) > _MOST_ROWS:
        rows = [*rows[: _MOST_ROWS - 1], ('...', f'{len(rows) - _MOST_ROWS + 1} more')]
    return [('metric', 'value'), *rows] if rows else []


def _about_session(session: SessionFacts) -> str:
    both = {**session.environment, **session.record}
    parts = [f'{key}: {both[key]}' for key in _ABOUT if both.get(key)]
    git = both.get('git')
    commit = git.get('commit') if isinstance(git, Mapping) else both.get('git_commit')
    parts += [f'git: {commit}'] if commit else []
    return '   '.join(parts)


def _bulleted(title: str, items: Sequence[str]) -> list[str]:
    if not items:
        return []
    lines = [f'• {_escaped(item)}' for item in items[:_MOST_LINES]]
    more = [f'• {len(items) - _MOST_LINES} more'] if len(items) > _MOST_LINES else []
    return [f'*{title}*', *lines, *more]


def _mention(who: str) -> str:
    if who.lstrip('@') in _EVERYBODY:
        return f'<!{who.lstrip("@")}>'
    return f'<!subteam^{who}>' if who.startswith('S') else f'<@{who.lstrip("@")}>'


def _header(text: str) -> dict[str, Any]:
    content = {'type': 'plain_text', 'text': text.strip()[:_HEADER_LENGTH], 'emoji': True}
    return {'type': 'header', 'text': content}


def _section(text: str) -> dict[str, Any]:
    return {'type': 'section', 'text': {'type': 'mrkdwn', 'text': text[:_SECTION_LENGTH]}}


def _cell(text: str) -> dict[str, str]:
    return {'type': 'raw_text', 'text': text[:_CELL_LENGTH] if text.strip() else '(empty)'}


def _escaped(text: str) -> str:
    """Return a text that is no markup of Slack's."""
    return text.replace('&', '&amp;').replace('<', '&lt;').replace('>', '&gt;')
