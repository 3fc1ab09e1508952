"""Pipeline references: what they resolve to, and one line for what they do not."""

import pytest

from kwdagger import Pipeline
from kwdagger.pipeline import coerce_pipeline
from kwdagger.specs.references import reference_name, resolve_pipeline

CODE = """
import kwdagger
from sibling import NAME

def make(name=NAME, *, n=1):
    nodes = [kwdagger.ProcessNode(name=f'{name}{i}', executable='x') for i in range(n)]
    return kwdagger.Pipeline(nodes)

class Group:
    @staticmethod
    def inner():
        return make('inner')

dag = make('ready')
number = 3

def broken():
    raise RuntimeError('the disk is full\\nreally')
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / 'sub').mkdir()
    (tmp_path / 'sub' / 'pipes.py').write_text(CODE)
    (tmp_path / 'sub' / 'sibling.py').write_text("NAME = 'plain'\n")
    (tmp_path / 'flow.yaml').write_text('nodes: {a: {executable: echo}}\n')
    (tmp_path / 'bad.py').write_text('def f(:\n')
    monkeypatch.chdir(tmp_path)
    import sys

    monkeypatch.setattr(sys, 'path', list(sys.path))
    for name in ('pipes', 'sibling', 'bad'):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return tmp_path


@pytest.mark.parametrize(
    ('reference', 'names'),
    [
        ('sub/pipes.py::make()', ['plain0']),
        ('sub/pipes.py::make', ['plain0']),
        ('sub/pipes.py::make("x", n=2)', ['x0', 'x1']),
        ('sub/pipes.py::Group.inner()', ['inner0']),
        ('sub/pipes.py::dag', ['ready0']),
        ('flow.yaml', ['a']),
        ({'nodes': {'b': {'executable': 'x'}}}, ['b']),
        ('nodes:\n  c: {executable: x}\n', ['c']),
    ],
)
def test_forms(folder, reference, names):
    assert [node.name for node in coerce_pipeline(reference).nodes] == names


def test_module_reference_is_found_from_the_current_folder(folder, monkeypatch):
    package = folder / 'mypkg'
    package.mkdir()
    (package / '__init__.py').write_text('')
    (package / 'flows.py').write_text(CODE.replace('from sibling import NAME', "NAME = 'm'"))
    assert resolve_pipeline('mypkg.flows.make()').nodes[0].name == 'm0'


def test_a_pipeline_is_itself():
    dag = Pipeline()
    assert resolve_pipeline(dag) is dag


@pytest.mark.parametrize(
    ('reference', 'error', 'text'),
    [
        ('foo', ValueError, "unknown pipeline reference 'foo'"),
        (None, TypeError, 'no pipeline given'),
        ('flow.yml', FileNotFoundError, 'does not exist'),
        ('sub/pipe.py::make()', FileNotFoundError, "did you mean 'pipes.py'"),
        ('sub/pipes.py::mak()', ValueError, "did you mean 'make'"),
        ('sub/pipes.py::make(open("x"))', ValueError, 'literal arguments'),
        ('sub/pipes.py::__import__("os").system("x")', ValueError, 'literal arguments'),
        ('sub/pipes.py::number', TypeError, 'gives 3, not a Pipeline'),
        ('sub/pipes.py::broken()', ImportError, r'RuntimeError: the disk is full \(pipes.py line'),
        ('sub/pipes.py::make(nope=1)', ImportError, 'TypeError'),
        ('bad.py::f()', ImportError, r'SyntaxError: .*\(bad.py line 1\)'),
        ('no_such_package.module.f()', ImportError, "no module 'no_such_package'"),
    ],
)
def test_what_cannot_be_resolved(folder, reference, error, text):
    with pytest.raises(error, match=text) as caught:
        resolve_pipeline(reference)
    assert '\n' not in str(caught.value)


@pytest.mark.parametrize(
    ('reference', 'name'),
    [
        ('a/b.py::make("x")', 'make'),
        ('pkg.mod.func()', 'func'),
        ('x/flow.yaml', 'flow'),
        ({}, 'pipeline'),
    ],
)
def test_reference_name(reference, name):
    assert reference_name(reference) == name
