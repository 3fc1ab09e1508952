"""Examples in docstrings do what they show."""

import doctest
import importlib
import pkgutil
from pathlib import Path

import pytest

import kwdagger

MODULES = [
    module.name
    for module in pkgutil.walk_packages(kwdagger.__path__, 'kwdagger.')
    if not module.name.endswith('__main__')
]


@pytest.mark.parametrize('name', MODULES)
def test_examples(name):
    module = importlib.import_module(name)
    found = doctest.testmod(module)
    assert found.failed == 0


def test_there_are_examples():
    texts = [path.read_text() for path in Path(kwdagger.__file__).parent.rglob('*.py')]
    assert sum(text.count('>>> ') for text in texts) > 5
