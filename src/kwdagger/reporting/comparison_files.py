"""A comparison as files that other tools read: Markdown and JUnit XML."""

from __future__ import annotations

import os
from collections.abc import Iterable
from xml.etree import ElementTree

from kwdagger.analysis.comparing.comparison import Comparison, Failure
from kwdagger.analysis.comparing.series import Verdict
from kwdagger.errors import MissingFile
from kwdagger.reporting.comparison_text import (
    HEADS,
    basis,
    headline,
    in_order,
    remark_lines,
    side_text,
    verdict_cells,
)
from kwdagger.rundir.files import replace_file

_ESCAPED = str.maketrans({'|': '\\|', '\n': ' ', '<': '&lt;', '`': '\\`', '*': '\\*', '_': '\\_'})


def check_places(paths: Iterable[str]) -> None:
    """Raise `MissingFile` for a file whose folder is not there."""
    for path in paths:
        folder = os.path.dirname(path) or '.'
        if not os.path.isdir(folder):
            raise MissingFile(f'{path!r} cannot be written: there is no folder {folder!r}')


def write_markdown(comparison: Comparison, path: str) -> None:
    """Write a table for a chat or a pull request."""
    replace_file(path, markdown(comparison), os.getpid())


def markdown(comparison: Comparison) -> str:
    """Return the comparison as GitHub-flavoured Markdown."""
    lines = [f'**{headline(comparison)}**', '']
    for letter, side in (('A', comparison.a), ('B', comparison.b)):
        lines += [f'{letter}: {side_text(side).translate(_ESCAPED)}', '']
    lines.append(f'| {" | ".join(HEADS)} |')
    lines.append('|---|---|--:|--:|--:|--:|--:|---|')
    for verdict in in_order(comparison.verdicts):
        cells = (cell.translate(_ESCAPED) for cell in verdict_cells(verdict, comparison))
        mark = '**' if verdict.word == 'worse' else ''
        *most, last = cells
        lines.append(f'| {" | ".join([*most, f"{mark}{last}{mark}"])} |')
    for remark in [*remark_lines(comparison), basis(comparison)]:
        lines += ['', remark.translate(_ESCAPED)]
    return '\n'.join(lines) + '\n'


def write_junit(comparison: Comparison, path: str) -> None:
    """Write one test case for each series: worse is a failure, undecided is skipped."""
    text = ElementTree.tostring(junit(comparison), encoding='unicode')
    replace_file(path, f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n', os.getpid())


def junit(comparison: Comparison) -> ElementTree.Element:
    """Return the comparison as JUnit test suites, of which there is one.

    Source: the format that Ant's JUnit task writes, as CI systems read it.
    """
    suite = ElementTree.Element('testsuite')
    for failure in comparison.failures:
        _broken_case(suite, failure, comparison)
    for verdict in in_order(comparison.verdicts):
        _case(suite, verdict, comparison)
    for lost in comparison.lost:
        _skipped_case(suite, lost.subject, lost.metric or 'result', lost.reason, comparison)
    for subject in comparison.only_a:
        _skipped_case(suite, subject, 'result', 'B did not measure it', comparison)
    counts = {
        'tests': len(suite),
        'failures': len(suite.findall('testcase/failure')),
        'errors': 0,
    }
    name = _text(f'{comparison.b.asked} against {comparison.a.asked}')
    started = comparison.b.started[-1] if comparison.b.started else ''
    suite.attrib.update(
        name=name,
        **{key: str(count) for key, count in counts.items()},
        skipped=str(len(suite.findall('testcase/skipped'))),
        time='0',
        timestamp=started[:19],
        hostname=_text(', '.join(comparison.b.hosts)),
    )
    top = ElementTree.Element('testsuites', name=name, time='0')
    top.attrib.update({key: str(count) for key, count in counts.items()})
    top.append(suite)
    ElementTree.indent(top)
    return top


def _skipped_case(
    suite: ElementTree.Element, subject: str, name: str, why: str, comparison: Comparison
) -> None:
    label = comparison.labels.get(subject, subject)
    case = _new_case(suite, label, name)
    ElementTree.SubElement(case, 'skipped', message=_text(why))


def _new_case(suite: ElementTree.Element, label: str, name: str) -> ElementTree.Element:
    return ElementTree.SubElement(
        suite, 'testcase', classname=_text(label), name=_text(name), time='0'
    )


def _broken_case(suite: ElementTree.Element, failure: Failure, comparison: Comparison) -> None:
    label = comparison.labels.get(failure.subject, failure.subject)
    case = _new_case(suite, label, 'result')
    reason = _text(failure.reason)
    ElementTree.SubElement(case, 'failure', type='broken', message=reason).text = _text(
        failure.path
    )


def _case(suite: ElementTree.Element, verdict: Verdict, comparison: Comparison) -> None:
    label, metric, *cells = map(_text, verdict_cells(verdict, comparison))
    case = _new_case(suite, label, metric)
    told = ', '.join(f'{head} {cell}' for head, cell in zip(HEADS[2:], cells, strict=True))
    if verdict.word == 'worse':
        message = f'worse: ratio {cells[2]}'
        ElementTree.SubElement(case, 'failure', type='worse', message=message).text = told
    elif verdict.word == 'undecided':
        ElementTree.SubElement(case, 'skipped', message=cells[-1])
    else:
        ElementTree.SubElement(case, 'system-out').text = told


def _text(text: str) -> str:
    """Return text without the characters that XML cannot hold."""
    return ''.join(
        char
        if char in '\t\n\r'
        or ' ' <= char <= '\ud7ff'
        or '\ue000' <= char <= '\ufffd'
        or char > '\uffff'
        else '?'
        for char in text
    )
