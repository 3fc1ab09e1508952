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
    """Return the comparison as a JUnit test suite."""
    verdicts = in_order(comparison.verdicts)
    failed = len(comparison.failures) + sum(one.word == 'worse' for one in verdicts)
    suite = ElementTree.Element(
        'testsuite',
        name=f'{comparison.b.asked} against {comparison.a.asked}',
        tests=str(len(verdicts) + len(comparison.failures)),
        failures=str(failed),
        errors='0',
        skipped=str(sum(one.word == 'undecided' for one in verdicts)),
    )
    for failure in comparison.failures:
        _broken_case(suite, failure, comparison)
    for verdict in verdicts:
        _case(suite, verdict, comparison)
    return suite


def _broken_case(suite: ElementTree.Element, failure: Failure, comparison: Comparison) -> None:
    label = comparison.labels.get(failure.subject, failure.subject)
    case = ElementTree.SubElement(suite, 'testcase', classname=_text(label), name='result')
    reason = _text(failure.reason)
    ElementTree.SubElement(case, 'failure', message=reason).text = _text(failure.path)


def _case(suite: ElementTree.Element, verdict: Verdict, comparison: Comparison) -> None:
    label, metric, *cells = map(_text, verdict_cells(verdict, comparison))
    case = ElementTree.SubElement(suite, 'testcase', classname=label, name=metric)
    told = ', '.join(f'{head} {cell}' for head, cell in zip(HEADS[2:], cells, strict=True))
    if verdict.word == 'worse':
        ElementTree.SubElement(case, 'failure', message=f'worse: ratio {cells[2]}').text = told
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
