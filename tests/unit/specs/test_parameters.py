from __future__ import annotations

import json

import pytest

from kwdagger.errors import InvalidType, InvalidValue, MissingFile
from kwdagger.specs.parameters import read_parameters
from kwdagger.specs.request import read_request

BASE = """
pipeline:
  nodes:
    fit: {executable: fit, algo_params: {enabled: false, depth: 1}}
matrix:
  fit.depth: [1, 2]
  fit.options: [{enabled: false}, {a: '{session} ${HOME}'}]
  fit.rate: 0.5
submatrices:
  - {fit.depth: 1, enabled: false}
  - {fit.depth: 2}
"""
MORE = """
matrix:
  fit.rate: 0.1
  fit.depth: [3]
---
matrix: {fit.seed: 7}
include:
  - {fit.depth: 9, fit.rate: 1}
"""


@pytest.fixture
def files(tmp_path):
    paths = [tmp_path / 'base.yaml', tmp_path / 'more.yaml']
    for path, text in zip(paths, (BASE, MORE), strict=True):
        path.write_text(text)
    return list(map(str, paths))


def test_files_are_merged_in_order(files):
    parameters = read_parameters(files)
    assert parameters.mapping['matrix'] == {
        'fit.depth': [1, 2, 3],
        'fit.options': [{'enabled': False}, {'a': '{session} ${HOME}'}],
        'fit.rate': 0.1,
        'fit.seed': 7,
    }
    assert parameters.mapping['submatrices'] == [{'fit.depth': 2}]
    assert parameters.mapping['include'] == [{'fit.depth': 9, 'fit.rate': 1}]
    nodes = parameters.mapping['pipeline']['nodes']
    assert nodes['fit']['algo_params'] == {'enabled': False, 'depth': 1}


def test_one_file_is_what_the_same_text_is(files):
    assert read_parameters(files[0]).mapping == read_parameters(BASE).mapping
    assert read_parameters([files[0]]).mapping == read_parameters(BASE).mapping


def test_lists_may_be_yaml_text_and_hold_texts_and_mappings(files):
    whole = read_parameters(files).mapping
    assert read_parameters(json.dumps(files)).mapping == whole
    assert read_parameters(f'- {files[0]}\n- {files[1]}').mapping == whole
    assert read_parameters([BASE, files[1]]).mapping == whole
    mapping = {'matrix': {'fit.seed': 8}}
    assert read_parameters([*files, mapping]).mapping['matrix']['fit.seed'] == 8
    assert mapping == {'matrix': {'fit.seed': 8}}


def test_the_place_of_a_key_is_in_the_file_that_said_it_last(files):
    request = read_request(files, None)
    assert request.place('fit.rate') == f' in {files[1]} line 3'
    assert request.place('fit.options') == f' in {files[0]} line 7'
    assert request.place('fit.seed') == f' in {files[1]} line 6'
    assert request.place('fit.nothing') == ''


def test_mappings_have_no_place():
    request = read_request({'pipeline': {'nodes': {'a': {'executable': 'x'}}}, 'a.b': 1}, None)
    assert request.place('a.b') == ''


def test_included_files_are_looked_for_beside_each_file(tmp_path, monkeypatch):
    monkeypatch.chdir('/')
    for folder in ('one', 'two'):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / 'rows.yaml').write_text('[1]')
        (tmp_path / folder / f'{folder}.yaml').write_text(f'n.{folder}: {{__include__: {folder}}}')
        (tmp_path / folder / folder).write_text(f'[{folder}]')
    pipeline = {'nodes': {'n': {'executable': 'x'}}}
    paths = [tmp_path / 'one' / 'one.yaml', tmp_path / 'two' / 'two.yaml']
    grid = read_request(paths, pipeline).grid
    assert grid == {'n.one': ['one'], 'n.two': ['two']}


BAD = {
    'a missing file': (['{a}: 1', 'none.yaml'], MissingFile, "params file 'none.yaml' does not"),
    'a word': (['a: 1', 'nothing'], MissingFile, "no such file: 'nothing'"),
    'a number': (['a: 1', 3], InvalidType, 'the parameters must be a mapping'),
    'a list in a list': (['a: 1', '[b]'], InvalidType, 'the parameters must be a mapping'),
    'malformed': (['a: 1', '{b: '], InvalidValue, 'malformed YAML in params line 1'),
    'nothing left': (['a: 1\nenabled: false'], InvalidValue, 'nothing is left in params line 1'),
}


@pytest.mark.parametrize(('params', 'error', 'message'), BAD.values(), ids=BAD.keys())
def test_bad_parameters(params, error, message):
    with pytest.raises(error, match=message):
        read_parameters(params)
