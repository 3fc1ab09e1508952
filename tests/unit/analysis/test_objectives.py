from __future__ import annotations

from types import SimpleNamespace

import pytest

from kwdagger.analysis.objectives import Metric, declared_metrics, resolve_objectives
from kwdagger.errors import InvalidValue, UnknownName

FORMS = [
    ({'default_metrics': lambda: [{'metric': 'f1', 'objective': 'minimize', 'primary': True}]},
     [Metric('f1', 'minimize', primary=True)]),
    ({'default_metrics': lambda: [{'suffix': 'f1', 'aggregator': 'sum', 'display': True}]},
     [Metric('f1', display=True, aggregator='sum', declared=False)]),
    ({'default_metrics': lambda: [{'metric': 'f1', 'objective': 'max'}]}, [Metric('f1')]),
    ({'default_metrics': list, '_default_metrics2': [{'metric': 'f1', 'objective': 'maximize'}]},
     [Metric('f1')]),
    ({'_default_metrics2': lambda: [{'metric': 'f1', 'objective': 'maximize'}]}, [Metric('f1')]),
    ({'_default_metrics': lambda: (['f1'], ['f1', 'n'])},
     [Metric('f1', primary=True, display=True, declared=False),
      Metric('n', display=True, declared=False)]),
    ({'default_metrics': list}, []),
    ({}, []),
]  # fmt: skip


@pytest.mark.parametrize(('members', 'expected'), FORMS)
def test_every_way_to_declare(members, expected):
    assert declared_metrics(SimpleNamespace(name='ev', **members)) == expected


@pytest.mark.parametrize(
    ('entry', 'message'),
    [
        ({'metric': 'f1', 'objective': 'maximal'}, r"'maximal' of metric 'f1' \(did you mean"),
        ({'metric': 'f1', 'aggregator': 'median'}, "unknown aggregator 'median'"),
        ({'objective': 'maximize'}, "names no 'metric'"),
        (3, 'is not a mapping'),
    ],
)
def test_mistakes_are_named(entry, message):
    node = SimpleNamespace(name='ev', default_metrics=lambda: [entry])
    with pytest.raises(InvalidValue, match=message):
        declared_metrics(node)


COLUMNS = ['metrics.ev.n', 'metrics.ev.loss', 'metrics.ev.f1', 'metrics.fit.loss']
LOSS = Metric('loss', 'minimize', primary=True)


def resolved(metrics=(), varied=(), **options):
    return resolve_objectives('ev', COLUMNS, metrics, varied, **options)


def test_declared_primary_metrics_rank():
    found = resolved([Metric('n', display=True), LOSS])
    assert found.primary == {'metrics.ev.loss': 'minimize'}
    assert found.display == ('metrics.ev.loss', 'metrics.ev.n')
    assert found.assumed == ()


def test_the_first_declared_metric_ranks_when_none_is_primary():
    assert resolved([Metric('f1'), Metric('n')]).primary == {'metrics.ev.f1': 'maximize'}


def test_without_declarations_the_first_metric_that_varies_ranks():
    found = resolved(varied=['metrics.ev.loss', 'metrics.ev.f1'])
    assert found.primary == {'metrics.ev.loss': 'minimize'}, 'as its name says'
    assert found.assumed == ('metrics.ev.loss',)
    assert resolved(varied=['metrics.ev.f1']).primary == {'metrics.ev.f1': 'maximize'}
    assert found.display == ('metrics.ev.loss', 'metrics.ev.n', 'metrics.ev.f1')


def test_what_is_asked_for_wins_but_keeps_its_objective():
    found = resolved([LOSS], primary=['f1', 'ev.loss'], display=['n'])
    assert found.primary == {'metrics.ev.f1': 'maximize', 'metrics.ev.loss': 'minimize'}
    assert found.display == ('metrics.ev.f1', 'metrics.ev.loss', 'metrics.ev.n')
    assert found.assumed == ('metrics.ev.f1',)


def test_an_unknown_metric_gets_the_nearest():
    with pytest.raises(UnknownName, match='los'):
        resolved(primary=['losss'])


@pytest.mark.parametrize(
    ('word', 'objective'),
    [
        ('minimise', 'minimize'),
        ('min', 'minimize'),
        ('Minimize', 'minimize'),
        ('maximise', 'maximize'),
        ('max', 'maximize'),
    ],
)
def test_objectives_in_every_spelling(word, objective):
    node = SimpleNamespace(name='ev', default_metrics=[{'metric': 'x', 'objective': word}])
    (metric,) = declared_metrics(node)
    assert (metric.objective, metric.declared) == (objective, True)


def test_a_declared_primary_metric_that_is_not_there():
    missing = Metric('los', 'minimize', primary=True)
    assert resolved([missing]).absent == ('los',)
    assert resolved([missing, LOSS]).primary == {'metrics.ev.loss': 'minimize'}
    assert resolved([missing, LOSS]).absent == ('los',)
    assert resolved([missing], primary=['f1']).absent == ()
    assert resolved([LOSS, Metric('k')]).absent == ()
    assert resolved([Metric('k'), Metric('f1')]).absent == ('k',)


def test_no_metrics_no_ranking():
    assert resolve_objectives('ev', [], [LOSS], []).primary == {}
