"""The text for Prometheus, read by a parser of the published format."""

import math
import re

import pytest
from services.llm_records import record

from kwdagger.llm.metrics.summary import summarize
from kwdagger.llm.reporting.prometheus import ExposedLoad, exposition

_NAME = r'[a-zA-Z_:][a-zA-Z0-9_:]*'
_LABEL = r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\\\|\\"|\\n)*)"'
_SAMPLE = re.compile(rf'({_NAME})\{{((?:{_LABEL}(?:,(?!\}})|(?=\}})))*)\}} (\S+)\Z')
_ESCAPES = {'\\\\': '\\', '\\"': '"', '\\n': '\n'}


def parsed(text):
    """Return family -> (type, samples), each sample ``(name, labels, value)``.

    Rules of the text exposition format 0.0.4: HELP and TYPE come once, before the samples of
    their family; the samples of a family stand together; no sample comes twice.
    """
    assert text.endswith('\n')
    families, current, seen = {}, None, set()
    for line in text.splitlines():
        if line.startswith('# HELP '):
            current = line.split(' ', 3)[2]
            assert current not in families
            families[current] = [None, []]
        elif line.startswith('# TYPE '):
            _, _, name, kind = line.split(' ')
            assert name == current
            assert kind in ('counter', 'gauge', 'histogram')
            families[name][0] = kind
        else:
            match = _SAMPLE.match(line)
            assert match, line
            name, inside, value = match[1], match[2], float(match.groups()[-1])
            family = re.sub('_(bucket|sum|count)$', '', name) if name not in families else name
            assert family == current
            labels = {
                key: re.sub(r'\\[\\"n]', lambda found: _ESCAPES[found[0]], said)
                for key, said in re.findall(_LABEL, inside)
            }
            sample = (name, tuple(sorted(labels.items())))
            assert sample not in seen
            seen.add(sample)
            families[family][1].append((name, labels, value))
    return families


ROWS = [
    record(0, chunks=(30, 80), end=90, output_tokens=2, http_status=200),
    record(1, chunks=(300, 900), end=1000, output_tokens=3, http_status=200),
    record(2, chunks=(2,), end=5000, status='stream_truncated', http_status=200),
    record(3, end=3, status='http_503_busy', http_status=503),
    record(4, end=3, status='connect'),
]
AWKWARD = 'a "model"\\with\nlines'


@pytest.fixture
def families():
    loads = [
        ExposedLoad({'model': AWKWARD, 'concurrency': '1'}, ROWS, summarize(ROWS)),
        ExposedLoad(
            {'model': AWKWARD, 'concurrency': '2'},
            ROWS[:1],
            summarize(ROWS[:1]),
            {'rss_bytes_max': 2**20, 'cpu_seconds': 0.5},
        ),
    ]
    return parsed(exposition(loads))


def test_counters_by_status(families):
    kind, samples = families['llm_requests_total']
    assert kind == 'counter'
    found = {
        labels['status']: value for _, labels, value in samples if labels['concurrency'] == '1'
    }
    assert found == {'ok': 2, 'stream_truncated': 1, 'http_503_busy': 1, 'connect': 1}
    codes = {
        (labels['concurrency'], labels['code']): value
        for _, labels, value in families['llm_responses_total'][1]
    }
    assert codes == {('1', '200'): 3, ('1', '503'): 1, ('2', '200'): 1}


def test_labels_survive_their_quotes(families):
    assert {labels['model'] for _, labels, _ in families['llm_requests_total'][1]} == {AWKWARD}


@pytest.mark.parametrize(
    ('family', 'values'),
    [
        ('llm_request_duration_seconds', [0.09, 1.0]),
        ('llm_time_to_first_token_seconds', [0.03, 0.3]),
        ('llm_time_per_output_token_seconds', [0.05, 0.3]),
    ],
)
def test_histograms_hold_answers_only(families, family, values):
    kind, samples = families[family]
    assert kind == 'histogram'
    mine = [sample for sample in samples if sample[1]['concurrency'] == '1']
    buckets = [
        (float(labels['le']), value) for name, labels, value in mine if name.endswith('_bucket')
    ]
    bounds = [bound for bound, _ in buckets]
    assert bounds == sorted(bounds)
    assert bounds[-1] == math.inf
    for bound, count in buckets:
        assert count == sum(value <= bound for value in values)
    rest = {name: value for name, _, value in mine if not name.endswith('_bucket')}
    assert rest == {f'{family}_sum': pytest.approx(sum(values)), f'{family}_count': len(values)}


def test_what_is_not_known_is_not_there(families):
    memory = families['llm_server_resident_memory_bytes'][1]
    assert [(labels['concurrency'], value) for _, labels, value in memory] == [('2', 2**20)]
    nothing = parsed(exposition([ExposedLoad({'model': 'm'}, [], summarize([]))]))
    assert 'llm_load_window_seconds' not in nothing
    assert nothing['llm_request_duration_seconds'][1][-1][2] == 0
