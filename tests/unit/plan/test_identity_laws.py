"""What moves an id and what must not."""

import os
import string

from hypothesis import given, settings
from hypothesis import strategies as st

from kwdagger import Param, Pipeline, ProcessNode
from kwdagger.values import rendered

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.floats(allow_nan=False, allow_infinity=False, width=16),
    st.text(string.ascii_lowercase + '1 {}/', max_size=6),
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from('abc'), inner, max_size=2)
    ),
    max_leaves=4,
)
rows = st.lists(st.fixed_dictionaries({'gen.a': values, 'ev.k': scalars}), min_size=1, max_size=5)


def pipeline():
    gen = ProcessNode(
        name='gen',
        executable='gen',
        in_paths=['src'],
        out_paths={'out': 'o'},
        algo_params={'a': 1},
        perf_params={'workers': 0},
    )
    ev = ProcessNode(
        name='ev', executable='ev', in_paths=['out'], out_paths={'res': 'r'}, algo_params={'k': 1}
    )
    gen.connect(ev)
    return Pipeline([gen, ev])


def ids(configs, root='/base', **options):
    return set(pipeline().compile_configurations(configs, root, **options).plan.jobs)


@given(values, values)
@settings(max_examples=300, deadline=None)
def test_ids_agree_exactly_when_the_rendered_text_agrees(first, second):
    one, two = (
        {name for name in ids([{'gen.a': value}]) if name.startswith('gen')}
        for value in (first, second)
    )
    assert (one == two) == (rendered(first) == rendered(second))


@given(rows, st.randoms(use_true_random=False))
@settings(deadline=None)
def test_order_of_rows_and_keys_moves_no_id(configs, random):
    shuffled = [dict(random.sample(list(row.items()), len(row))) for row in configs]
    random.shuffle(shuffled)
    assert ids(shuffled) == ids(configs)


@given(rows, st.sampled_from(['/elsewhere/deep', 'relative', '.', '/r']))
@settings(deadline=None)
def test_moving_the_root_moves_no_id(configs, root):
    def with_input(base):
        return [{**row, 'gen.src': [os.path.join(base, 'x.txt'), 'y']} for row in configs]

    moved = with_input(root) if root != '.' else with_input('.')
    if root == '.':
        assert ids(configs, root) == ids(configs)
    else:
        assert ids(moved, root) == ids(with_input('/base'))


@given(rows, st.integers())
@settings(deadline=None)
def test_what_lies_outside_identity_moves_no_id(configs, workers):
    changed = [
        {
            **row,
            'gen.workers': workers,
            'gen.__slurm_options__': {'mem': '1G'},
            '__slurm_options__': {'cpus': 2},
            'gen.out': '/somewhere/else.json',
        }
        for row in configs
    ]
    first = {name for name in ids(configs) if name.startswith('gen')}
    assert {name for name in ids(changed) if name.startswith('gen')} == first


def test_a_literal_root_token_is_not_a_path_under_the_root():
    assert len(ids([{'gen.a': '{root}/x'}, {'gen.a': '/base/x'}, {'gen.a': '{{root}/x'}])) == 6


def test_a_neutral_value_stays_outside_identity():
    def node(params):
        return Pipeline([ProcessNode(name='n', executable='x', algo_params=params)])

    def one(params, **row):
        return next(iter(node(params).compile_configurations([row]).plan.jobs))

    before = one({'a': 1})
    grown = {'a': 1, 'b': Param(False, neutral=False)}
    assert one(grown) == before
    assert one(grown, **{'n.b': False}) == before
    assert one(grown, **{'n.b': True}) != before
    assert one({'a': 1, 'b': False}) != before
