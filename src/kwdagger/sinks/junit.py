"""A session as JUnit XML, for the test tables of continuous integration."""

from __future__ import annotations

import re
from datetime import datetime
from xml.etree import ElementTree

from kwdagger.sinks.payload import plain_json
from kwdagger.sinks.progress import HELD_STATES
from kwdagger.sinks.protocol import JobResult
from kwdagger.sinks.session_file import SessionFileSink

_NOT_IN_XML = re.compile('[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]')
_TAIL_BYTES = 4096


class JunitSink(SessionFileSink):
    """One test suite for the session, one test case for each job: its last attempt.

    A job that failed is a failure with the reason and the end of its log; one that was held
    back or never finished is skipped. Metrics and parameters are properties of the case.
    """

    default_name = 'junit.xml'

    def text(self) -> str:
        """Return the document."""
        results = self.last_results()
        unfinished = self.summary.unfinished if self.summary is not None else ()
        suite = ElementTree.Element('testsuite', name=_clean(self.session.name))
        for result in results:
            _add_case(suite, result)
        for job in unfinished:
            case = ElementTree.SubElement(suite, 'testcase', classname='', name=_clean(job))
            ElementTree.SubElement(case, 'skipped', message='it did not finish')
        failures = sum(case.find('failure') is not None for case in suite)
        skipped = sum(case.find('skipped') is not None for case in suite)
        suite.attrib.update(
            tests=str(len(suite)),
            failures=str(failures),
            errors='0',
            skipped=str(skipped),
            time=f'{self._seconds():.3f}',
            timestamp=self.session.started_at.removesuffix('Z'),
            hostname=_clean(str(self.session.record.get('host', ''))),
        )
        top = ElementTree.Element('testsuites', dict(suite.attrib))
        for key in ('timestamp', 'hostname', 'skipped'):
            del top.attrib[key]
        top.append(suite)
        ElementTree.indent(top)
        body = ElementTree.tostring(top, encoding='unicode')
        return f'<?xml version="1.0" encoding="utf-8"?>\n{body}\n'

    def _seconds(self) -> float:
        """From the start of the session to the end of the last job."""
        ends = [result.at for result in self.results]
        if not ends or not self.session.started_at:
            return 0.0
        start = datetime.fromisoformat(self.session.started_at.replace('Z', '+00:00'))
        end = datetime.fromisoformat(max(ends).replace('Z', '+00:00'))
        return max(0.0, (end - start).total_seconds())


def _add_case(suite: ElementTree.Element, result: JobResult) -> None:
    case = ElementTree.SubElement(
        suite,
        'testcase',
        classname=_clean(result.node),
        name=_clean(result.name),
        time=f'{result.seconds or 0:.3f}',
    )
    values = {f'param.{key}': item for key, item in result.params.items()}
    values |= {f'metric.{key}': item for key, item in result.metrics.items()}
    if values:
        properties = ElementTree.SubElement(case, 'properties')
        for key, item in values.items():
            attributes = {'name': _clean(key), 'value': _clean(str(plain_json(item)))}
            ElementTree.SubElement(properties, 'property', attributes)
    message = _clean(result.reason or result.state)
    if result.state in HELD_STATES:
        ElementTree.SubElement(case, 'skipped', message=message)
    elif not result.success:
        failure = ElementTree.SubElement(case, 'failure', type=result.state, message=message)
        failure.text = _clean(_log_end(result))


def _log_end(result: JobResult) -> str:
    path = next((path for path in result.artifacts if path.endswith('.log')), None)
    if path is None:
        return ''
    with open(path, 'rb') as file:
        file.seek(0, 2)
        file.seek(max(0, file.tell() - _TAIL_BYTES))
        return file.read().decode('utf-8', 'replace')


def _clean(text: str) -> str:
    """Return a text without what XML cannot hold."""
    return _NOT_IN_XML.sub('\N{REPLACEMENT CHARACTER}', text)
