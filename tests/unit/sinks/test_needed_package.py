"""Packages that only some sinks need."""

import pytest

from kwdagger.errors import NotImportable
from kwdagger.sinks.needed_package import check_package


def test_a_package_that_is_missing_is_one_line_with_the_extra_that_has_it():
    check_package('mine', 'json', 'mlflow')
    with pytest.raises(NotImportable) as missing:
        check_package('mine', 'no_such_package_of_anybody', 'mlflow')
    assert str(missing.value) == (
        "sink 'mine' needs the Python package no_such_package_of_anybody: "
        "python -m pip install 'kwdagger[mlflow]'"
    )
